"""Renders the kernels of a target as one module: the files of this package that it is made of,
one after the other."""

from __future__ import annotations

import ast
import sys
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

$imports
''')


def module_name(name: str) -> str:
    """The emitted file of a target without its ending."""
    return f"modeling_{name.replace('-', '_')}_triton"


def emit_module(name: str) -> str:
    """The source text of a target's kernels."""
    from lsrl import __version__

    texts = [Path(__file__).with_name(f"{part}.py").read_text("utf-8") for part in KERNELS[name]]
    parts = [ast.parse(text) for text in texts]
    head = HEAD.substitute(
        module=f"modeling_{name.replace('-', '_')}",
        name=target(name).class_name,
        about=ast.get_docstring(parts[-1]),
        version=__version__,
        imports=_imports(parts),
    )
    bodies = [_body(*part) for part in zip(texts, parts, strict=True)]
    return "\n\n\n".join([f"{head}\n{bodies[0]}", *bodies[1:]]) + "\n"


def _imports(parts: list[ast.Module]) -> str:
    """What the files import of other packages: Python's own, and then the others."""
    nodes = [n for part in parts for n in part.body if isinstance(n, ast.Import | ast.ImportFrom)]
    lines = {ast.unparse(n) for n in nodes if isinstance(n, ast.Import) or not n.level}
    own = [line for line in lines if line.split()[1].split(".")[0] in sys.stdlib_module_names]
    others = sorted(lines.difference(own), key=lambda line: line.split()[1])
    return "\n".join([*sorted(own), "", *others])


def _body(text: str, part: ast.Module) -> str:
    """A file without its docstring and imports."""
    last = max(n.end_lineno or 0 for n in part.body if isinstance(n, ast.Import | ast.ImportFrom))
    return "\n".join(text.splitlines()[last:]).strip()
