"""The model card of `mamba` and `hawk`: what it says of tokens, and its own snippets, run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import lsrl
from lsrl.card import model_card

TARGETS = ("mamba", "hawk")
NEXT = """\
length <= 12
input token: int in 0..4
state total = 0 then if token == 0 then 0 else total + token
output if total > 6 then 0 else token

example "sums": [1, 2, 3, 4, 2] -> [1, 2, 3, 0, 0]
"""
NUMBERS = """\
length <= 20
input v: real[2] in -1..1
input go: bool
state held = [0, 0] then if go then v else held
output held
"""
PROGRAMS = {"tokens": NEXT, "numbers": NUMBERS}
MIXED = """\
type light = {red, green}
input n: int in 1..3
input v: int[2] in -2..2
input colour: light
output colour
output big = n + v[0] > 3
"""


def compiled(text: str, target: str) -> Any:
    return lsrl.compile(lsrl.parse(text), target)


def snippets(card: str) -> str:
    """The code for the stock class."""
    section = card.split("## With transformers")[1]
    return "\n".join(re.findall(r"```python\n(.*?)```", section, re.DOTALL))


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, str, list[Any]]]:
    """By target and program: the model, its snippets and what they print in their folder, in one
    child process, since it takes long to import transformers."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    root = tmp_path_factory.mktemp("cards")
    models = {f"{t}-{n}": compiled(PROGRAMS[n], t) for t in TARGETS for n in PROGRAMS}
    code = "import os\n"
    for name, model in models.items():
        model.save(root / name)
        own = snippets((root / name / "README.md").read_text())
        code += f"os.chdir({str(root / name)!r})\nprint('= {name}')\nexec({own!r}, {{}})\n"
    args = [sys.executable, "-c", code]
    done = subprocess.run(args, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = {}
    for part in done.stdout.split("= ")[1:]:
        name, *lines = part.splitlines()
        own = snippets(model_card(models[name]))
        found[name] = models[name], own, [json.loads(line) for line in lines]
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_tokens(target: str, printed: Any) -> None:
    model, code, (said, generated) = printed[f"{target}-tokens"]
    assert "# [[1, 2, 3, 0, 0]]" in code
    assert said == [[1, 2, 3, 0, 0]]
    wanted = [1, 2, 3, 4, 2]
    for _ in range(4):
        wanted.append(int(model.program.run(wanted)[-1]))
    assert generated == [wanted]


@pytest.mark.parametrize("target", TARGETS)
def test_numbers(target: str, printed: Any) -> None:
    model, code, (y,) = printed[f"{target}-numbers"]
    assert "Columns of x, in order: `v` (2), `go`." in model_card(model)
    x = np.array(json.loads(re.findall(r"torch.tensor\((.*)\)", code)[0]))
    meant = model.program.run_batch({"v": x[..., :2], "go": x[..., 2] > 0.5})
    assert np.abs(np.array(y) - meant).max() <= model.certificate["bound"]["held"] + 1e-7


@pytest.mark.parametrize("target", TARGETS)
def test_what_ids_are(target: str) -> None:
    model = compiled(MIXED, target)
    card = model_card(model)
    assert "`(n - 1) * 50 + (v[0] + 2) * 10 + (v[1] + 2) * 2 + colour`, 150 in all" in card
    assert "`colour * 2 + big`, 4 in all" in card
    assert "`generate` has no meaning here" in card
    assert "onehot" not in card
    names = {"n": 3, "v": [-1, 2], "colour": 1}
    batch = model.batch({k: [v] for k, v in names.items()}, batched=False)
    assert model.stacked(batch).tolist() == [
        [[eval("(n-1)*50+(v[0]+2)*10+(v[1]+2)*2+colour", names)]]
    ]


def test_ids_that_are_outputs_only() -> None:
    card = model_card(compiled("input b: bool\noutput if b then 7 else 3\n", "hawk"))
    assert "The largest logit says the outputs: `output - 3`, 5 in all." in card
    assert "Ids from 2 on are outputs only" in card


def test_one_step() -> None:
    """Nothing can be generated after the last step."""
    card = model_card(compiled("length <= 1\ninput b: bool\noutput not b\n", "mamba"))
    assert "model.generate" not in card and "## With transformers" in card


def test_other_targets_have_no_such_section() -> None:
    assert "transformers" not in model_card(compiled(NEXT, "lstm"))
