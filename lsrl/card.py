"""The model card: README.md of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .hf import is_hf
from .hf_card import loading, reading
from .targets import target
from .version import __version__

if TYPE_CHECKING:
    from .model import CompiledModel

ONE_HOT = """
Encoding: `onehot`. {fields} have one column a value; an output's columns are logits, of which the
largest says its value. `config.json` has the values."""

CARD = """\
# {name} as {target}

{doc}

Compiled by LSRL {version} from `program.lsrl`; no training, no data.

| | |
| --- | --- |
| target | `{target}` |
| dtype | {dtype} |
| layers | {layers} |
| parameters | {parameters:,} ({nonzeros:,} not zero) |
| state size | {state_size} |
| longest sequence | {length:,} steps |
| largest error | {bound} |

The error bound holds for inputs of the declared types, up to that length, where no comparison of
reals is closer than {guard} (`certificate.json` has every condition).

Inputs, in order: {inputs}.
Outputs, in order: {outputs}.{encoding}

```python
import lsrl
model = lsrl.load_model(".")        # or, with torch and safetensors only:
                                    # from {module} import {class_name}
                                    # model = {class_name}.from_pretrained(".")
```
{stock}"""


def model_card(model: CompiledModel) -> str:
    """The card's text."""
    program, report = model.program, model.report
    outputs = program.graph.outputs
    bounds = ", ".join(f"{e:.2g} (`{n}`)" for n, e in model.certificate["bound"].items())
    return CARD.format(
        name=program.source.name.rsplit("/", 1)[-1],
        target=model.target,
        doc=program.doc,
        version=__version__,
        dtype=report.dtype,
        layers=report.layers,
        parameters=report.parameters,
        nonzeros=report.nonzeros,
        state_size=report.state_size,
        length=program.length,
        bound=bounds,
        guard=model.certificate["guard"],
        encoding=reading(model) if is_hf(model.target) else _encoding(model),
        stock=loading(model) if is_hf(model.target) else "",
        inputs=", ".join(f"`{f.name}`: {f.type} in {f.lo}..{f.hi}" for f in program.inputs),
        outputs=", ".join(f"`{o.name}`: {program.graph.nodes[o.node].type}" for o in outputs),
        class_name=target(model.target).class_name,
        module=f"modeling_{model.target.replace('-', '_')}",
    )


def _encoding(model: CompiledModel) -> str:
    """Which fields are not plain numbers."""
    columns = [*model.input_columns, *model.output_columns]
    fields = dict.fromkeys(f"`{c.name}`" for c in columns if c.values is not None)
    return ONE_HOT.format(fields=", ".join(fields)) if fields else ""
