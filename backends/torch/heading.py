"""What the docstrings of all emitted modules say."""

from __future__ import annotations

from typing import Any


def heading(model: Any) -> dict[str, Any]:
    """A model in the words of the templates, but for its `columns`."""
    from lsrl import __version__
    from lsrl.targets import target

    doc = model.program.doc or "A compiled LSRL program."
    return {
        "name": target(model.target).class_name,
        "doc": doc.replace("\\", "\\\\").replace('"""', "'''"),
        "version": __version__,
        "module": f"modeling_{model.target.replace('-', '_')}",
        "n": model.input_size,
        "m": model.output_size,
        "dtype": model.options.dtype,
        "length": model.program.length,
    }


def columns(model: Any) -> dict[str, str]:
    """What the columns of x and y are: `inputs` and `outputs`."""
    program = model.program
    types = [program.graph.nodes[o.node].type for o in program.graph.outputs]
    return {
        "inputs": _listed(model.input_columns, [f.type for f in program.inputs]),
        "outputs": _listed(model.output_columns, types),
    }


def _listed(columns: Any, types: Any) -> str:
    parts = []
    for c, type in zip(columns, types, strict=True):
        values = f", one column for each of {c.values[0]}..{c.values[-1]}" if c.values else ""
        parts.append(f"{c.name} ({type}{values})")
    return ", ".join(parts)
