"""Several data sets together on a page."""
