"""The command line: options in, one call of the library, words or JSON out.

Commands import what they need when they run, so that `lsrl --help` and small programs start fast.
"""

from .app import main

__all__ = ["main"]
