"""Classifiers of other libraries, ``LIBRARY:NAME``, whose body trains with the head or stays as it is."""
