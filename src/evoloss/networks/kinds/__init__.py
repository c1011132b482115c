"""The kinds of loss networks, a file each; :mod:`evoloss.networks.description` names them."""
