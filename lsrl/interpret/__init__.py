"""The ideal meaning of a program: what it computes when nothing is approximated."""
