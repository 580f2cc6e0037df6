"""What the docstrings of all emitted modules say."""

from __future__ import annotations

from typing import Any


def heading(model: Any, name: str) -> dict[str, Any]:
    """A model whose class is `name`, in the words of the templates; but for `inputs` and
    `outputs`."""
    from lsrl import __version__

    doc = model.program.doc or "A compiled LSRL program."
    return {
        "name": name,
        "doc": doc.replace("\\", "\\\\").replace('"""', "'''"),
        "version": __version__,
        "module": f"modeling_{model.target.replace('-', '_')}",
        "n": model.input_size,
        "m": model.output_size,
        "dtype": model.options.dtype,
        "length": model.program.length,
    }
