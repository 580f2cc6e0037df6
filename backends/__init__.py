"""Backends of LSRL: each renders a model to source code and loads it into a framework."""
