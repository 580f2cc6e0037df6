"""LSRL: a compiler from recurrent programs to the weights of recurrent models.

program = lsrl.load("examples/dictionary.lsrl", params={"n": 3})
model = lsrl.compile(program, target="linear-rnn")
model.run([1, 2, 3, ...])
"""

from __future__ import annotations

from .checkpoint import load_model
from .errors import (
    CheckpointError,
    Diagnostic,
    InputError,
    LengthWarning,
    LsrlError,
    OptionError,
    ProgramError,
    PromiseError,
    SyntaxProblem,
    UnsupportedError,
    VerificationError,
)
from .model import CompiledModel
from .pipeline import compile
from .program import Program, load, parse
from .support import support
from .targets import names as targets
from .verify import Report, verify
from .version import __version__

__all__ = [
    "CheckpointError",
    "CompiledModel",
    "Diagnostic",
    "InputError",
    "LengthWarning",
    "LsrlError",
    "OptionError",
    "Program",
    "ProgramError",
    "PromiseError",
    "Report",
    "SyntaxProblem",
    "UnsupportedError",
    "VerificationError",
    "__version__",
    "compile",
    "load",
    "load_model",
    "parse",
    "support",
    "targets",
    "verify",
]
