"""Tables of text cells, by columns, turned into features and class labels."""
