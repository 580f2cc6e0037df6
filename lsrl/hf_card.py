"""What the model card says of a model of Hugging Face transformers: its tokens, how it is loaded,
and what to know of the stock class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import LsrlError
from .examples import plain
from .hf import ADAPTER_FILE, hf_class
from .syntax import ast
from .tokens import TOKENS, Vocabulary, encoded, input_vocabulary, output_vocabulary

if TYPE_CHECKING:
    from .encoding import Columns
    from .model import CompiledModel

STEPS = 4  # of the sequence shown where the program has no example
NEW = 4  # tokens that are generated

READING = """
One token id a step: {inputs}.
The largest logit says the outputs: {outputs}."""
NUMBERS = """
Numbers go in and out, as `inputs_embeds` and through `{file}`. Columns of x, in order: {inputs}.
Columns of y: {outputs}. Booleans are 0 and 1, members of enumerations their places."""

LOADING = """
## With transformers

{snippet}{generate}

{traps}
"""

TOKEN_SNIPPET = """\
```python
import torch
from transformers import {name}

model = {name}.from_pretrained(".").eval()
ids = torch.tensor({ids})
with torch.no_grad():
    logits = model(ids).logits
print(logits.argmax(-1).tolist()){result}
```"""
GENERATE = """

What comes out is a token that can go in again, so the model can be prompted:

```python
print(model.generate({prompt}, max_new_tokens={new}, do_sample=False).tolist())
```"""
NO_GENERATE = """

The tokens that come out are not those that go in: `generate` has no meaning here."""
EMBEDS_SNIPPET = """\
```python
import torch
from safetensors.torch import load_file
from transformers import {name}

model, adapter = {name}.from_pretrained(".").eval(), load_file("{file}")
x = torch.tensor({x})
with torch.no_grad():
    e = x @ adapter["input.weight"].T + adapter["input.bias"]
    h = model(inputs_embeds=e).last_hidden_state
    y = h @ adapter["output.weight"].T + adapter["output.bias"]
print(y.tolist())
```"""

FLOAT32 = """\
- Load it in float32, as it is: channels of 2^40 make the norms exact, and bfloat16 or float16 have
  neither their range nor the digits beside them."""
PADDING = """\
- Sequences of one batch must have the same length: nothing pads them. `config.json` has neither
  `pad_token_id` nor `eos_token_id`: `generate` would mask the one and stop at the other."""
UNUSED = """\
- Ids from {size} on are outputs only: as inputs they mean nothing."""
CACHE = {
    "mamba": """\
- With the cache (`use_cache`) each call after the first must have one step, as those of `generate`
  have: the stock class (transformers 5.24) starts a later call of several steps from an empty
  state.""",
    "hawk": """\
- `config.json` turns `use_cache` off: the stock class (transformers 5.24) raises a ValueError with
  it where no layer is an attention. `generate` then computes the whole sequence for each token.""",
}


def reading(model: CompiledModel) -> str:
    """What the numbers that go in and come out stand for."""
    if model.options.encoding == TOKENS:
        own = _vocabulary(model)
        result = output_vocabulary(model.output_columns)
        return READING.format(inputs=_formula(own), outputs=_formula(result))
    inputs, outputs = map(_listed, (model.input_columns, model.output_columns))
    return NUMBERS.format(file=ADAPTER_FILE, inputs=inputs, outputs=outputs)


def _listed(fields: Sequence[Columns]) -> str:
    """Fields, with how many columns they take."""
    return ", ".join(f"`{c.name}`" + (f" ({c.size})" if c.is_vector else "") for c in fields)


def loading(model: CompiledModel) -> str:
    """The section on the stock class."""
    tokens = model.options.encoding == TOKENS
    name = hf_class(model.target, model.shape["interface"])
    traps = [FLOAT32, CACHE[model.target], PADDING]
    if not tokens:
        x = _short(model.stacked(_sequence(model)))
        snippet = EMBEDS_SNIPPET.format(name=name, file=ADAPTER_FILE, x=x)
        return LOADING.format(snippet=snippet, generate="", traps="\n".join(traps))
    own = _vocabulary(model)
    if model.shape["vocab_size"] > own.size:
        traps.append(UNUSED.format(size=own.size))
    fields = _sequence(model)
    ids = encoded(model.program.graph, fields)[..., 0].astype(int)
    snippet = TOKEN_SNIPPET.format(name=name, ids=ids.tolist(), result=_meant(model, fields))
    return LOADING.format(snippet=snippet, generate=_generate(model, ids), traps="\n".join(traps))


def _short(x: Any) -> Any:
    """Numbers as lists, each with the digits that float32 has."""
    if np.ndim(x):
        return [_short(part) for part in x]
    return float(str(np.float32(x)))


def _vocabulary(model: CompiledModel) -> Vocabulary:
    found = input_vocabulary(model.program.graph)
    assert found is not None
    return found


def _formula(vocabulary: Vocabulary) -> str:
    """`(a - 1) * 6 + b * 2 + c`, over the elements of the fields."""
    counts: dict[str, int] = {}
    many = [d.field for d in vocabulary.digits]
    terms, rest = [], vocabulary.size
    for digit in vocabulary.digits:
        rest //= digit.size
        name = digit.field
        if many.count(name) > 1:
            counts[name] = counts.get(name, -1) + 1
            name += f"[{counts[digit.field]}]"
        if digit.lo:
            name = f"{name} {'-' if digit.lo > 0 else '+'} {abs(digit.lo)}"
        if rest > 1:
            name = f"({name})" if digit.lo else name
            name += f" * {rest}"
        terms.append(name)
    return f"`{' + '.join(terms)}`, {vocabulary.size:,} in all"


def _sequence(model: CompiledModel) -> Mapping[str, Any]:
    """A sequence to show, `[1, T]` by field: the first example, or a random one."""
    program = model.program
    for declaration in program.tree.declarations:
        if isinstance(declaration, ast.Example) and not declaration.settings:
            try:
                return program.batch(plain(declaration.inputs), batched=False)
            except LsrlError:  # of other parameters
                continue
    inputs, _ = program.sample(1, min(STEPS, program.length))
    return program.batch(inputs, batched=True)


def _meant(model: CompiledModel, fields: Mapping[str, Any]) -> str:
    """What the program says to a sequence, as ids."""
    outputs = model.program.interpreter.run(dict(fields)).outputs
    columns = [np.asarray(y if y.ndim == 3 else y[..., None]) for y in outputs.values()]
    ids = output_vocabulary(model.output_columns).ids(np.concatenate(columns, axis=-1))
    return f"  # {ids.tolist()}"


def _generate(model: CompiledModel, ids: Any) -> str:
    """Prompting, where outputs have the vocabulary of the inputs."""
    own, result = _vocabulary(model), output_vocabulary(model.output_columns)
    if [(d.lo, d.size) for d in own.digits] != [(d.lo, d.size) for d in result.digits]:
        return NO_GENERATE
    steps = min(ids.shape[1], max(1, model.program.length - NEW))
    new = min(NEW, model.program.length - steps)
    prompt = "ids" if steps == ids.shape[1] else f"ids[:, :{steps}]"
    return GENERATE.format(prompt=prompt, new=new) if new > 0 else ""
