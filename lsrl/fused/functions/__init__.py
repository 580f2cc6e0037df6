"""The functions that emitted modules are made of, one file for each framework.

The files hold the same functions for NumPy, PyTorch and JAX. Emitted modules contain the text of
those that they use; nothing here is imported by the compiler (see `library.py`).

Time is the last axis and the batch the one before it; a vector's elements are the first axis:
scalars are `[B, T]` and vectors `[d, B, T]`, so that a scalar broadcasts over a vector. `before` is
a state before the first step, `[B]` or `[d, B]`. B is 1 where nothing depends on an input.
"""
