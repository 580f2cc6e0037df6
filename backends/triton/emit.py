"""Renders the kernels of a target as one module: the files of this package that it is made of,
one after the other."""

from __future__ import annotations

import ast
from pathlib import Path
from string import Template

from lsrl.targets import target

# The files of each target's kernels; the last one has `with_kernels`.
KERNELS = {
    "linear-rnn": ("launch", "diagonal", "linear"),
    "gated-linear-rnn": ("launch", "diagonal", "linear"),
    "mamba": ("launch", "mamba"),
    "hawk": ("launch", "diagonal", "hawk"),
}
HEAD = Template('''"""The recurrences of $module.py as Triton kernels for a GPU.

$about

Written by LSRL $version; it needs torch and triton only.

    from $module import $name
    from ${module}_triton import with_kernels
    model = with_kernels($name.from_pretrained(".").cuda())
    with torch.no_grad():
        y, state = model(x)        # as before

`with_kernels(model, scan=True)` computes blocks of time at once, which rounds in another order: the
promise of certificate.json is for steps one after the other. It holds for float32 products of all
digits: torch.backends.cudnn.allow_tf32 = False turns TF32 off in convolutions.
"""

from functools import partial

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice
''')


def module_name(name: str) -> str:
    """The emitted file of a target without its ending."""
    return f"modeling_{name.replace('-', '_')}_triton"


def emit_module(name: str) -> str:
    """The source text of a target's kernels."""
    from lsrl import __version__

    texts = [Path(__file__).with_name(f"{part}.py").read_text("utf-8") for part in KERNELS[name]]
    head = HEAD.substitute(
        module=f"modeling_{name.replace('-', '_')}",
        name=target(name).class_name,
        about="\n".join(ast.get_docstring(ast.parse(text)) or "" for text in texts[1:]),
        version=__version__,
    )
    return "\n\n".join([head.rstrip(), *map(_body, texts)]) + "\n"


def _body(text: str) -> str:
    """A file without its docstring and imports."""
    imports = [n for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
    last = max(n.end_lineno or 0 for n in imports)
    return "\n".join(text.splitlines()[last:]).strip()
