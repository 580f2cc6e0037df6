"""From the program IR to atoms, to layers, to weights."""
