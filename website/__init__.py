"""What the documentation site makes at build time: pages from code, results in one file, checks of links."""
