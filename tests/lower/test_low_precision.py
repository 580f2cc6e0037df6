"""Certificates in bfloat16 and float16: nothing exceeds them, in NumPy or torch, and what does not
fit is refused."""

from __future__ import annotations

import numpy as np
import pytest

import lsrl
from lsrl.sampling import Sampler

NARROW = ["bfloat16", "float16"]
PROGRAMS = {
    "a sum of reals": "length <= 60\ninput x: real in -1..1\nstate s = 0 then s + x / 3\noutput s",
    "a growing sum": "length <= 100\ninput x: real in 0..1\nstate s = 0 then s + x\noutput s",
    "smoothing": "length <= 400\ninput x: real in 0..10\nstate s = 0 then 0.9 * s + 0.1 * x\n"
    "output s",
    "a rotation": "length <= 20\ninput x: real in -1..1\n"
    "state p = [1, 0] then [[0.6, -0.8], [0.8, 0.6]] @ p + [x, 0] / 64\noutput p",
    "a gated real": "input b: bool\ninput x: real in -3..5\noutput if b then x / 3 else 0",
    "a gate on many conditions": "input x: int in 0..7\ninput r: real in 0..1\n"
    "output if x == 3 or x == 5 then 10 * r - 7 else r",
    "a gated wide integer": "input b: bool\ninput x: int in 0..1000\noutput if b then x else 0",
    "integers beyond the digits": "input x: int in 0..5000\noutput 3 * x - 7",
    "a table": "input x: int in 0..9\noutput [0.1, 3, -2.7, 0, 11, 5.5, 0.3, 9, -8, 1][x]",
    "a comparison of reals": "input x: real in -1..1\noutput if x > 0.25 then x else -x",
    "small numbers": "input x: real in 0..1\noutput x / 2**20",
    "a small weight": "input x: real in 0..60000\noutput x * 0.0000001",
    "a delay": "input x: real in -2..2\noutput prev(prev(x)) - x / 7",
}


def observed(model: lsrl.CompiledModel, backend: str, seed: int = 0) -> dict[str, float]:
    """The largest errors on random inputs and on constant extremes."""
    program = model.program
    data = Sampler(program, seed=seed).draw(30, program.length if program.length < 1000 else 60)
    for f in program.inputs:  # sums of one sign, where errors add up most
        if f.type.kind.value == "real":
            data[f.name][:6] = np.linspace(float(f.lo), float(f.hi), 6)[:, None]
            data[f.name][6:12] = np.linspace(float(f.lo), float(f.hi) * 0.77, 6)[:, None]
    meant = program.interpreter_with(float(model.options.guard)).run(data)
    raw = program.split(model.runner(backend).run(model.dtype.round(program.stacked(data))))
    kept = ~meant.mattered
    return {
        n: float(np.abs(y.astype(np.float64) - meant.outputs[n].astype(np.float64))[kept].max())
        for n, y in raw.items()
    }


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_run_exceeds_the_certificate(name: str, dtype: str) -> None:
    program = lsrl.parse(PROGRAMS[name])
    model = lsrl.compile(program, dtype=dtype, verify=False, tolerance=1e9, guard=0.1) if (
        program.graph.nodes[program.graph.outputs[0].node].type.kind.value == "real"
    ) else refused_or_compiled(program, dtype)  # fmt: skip
    if model is None:
        return
    for backend in ("numpy", "torch"):
        for output, error in observed(model, backend).items():
            assert error <= model.certificate["bound"][output], backend


def refused_or_compiled(program: lsrl.Program, dtype: str) -> lsrl.CompiledModel | None:
    try:
        return lsrl.compile(program, dtype=dtype, verify=False)
    except lsrl.UnsupportedError as e:
        assert e.code == "E804", e
        return None


@pytest.mark.parametrize(
    ("dtype", "most", "held"),
    [("bfloat16", 256, True), ("bfloat16", 257, False), ("float16", 2048, True),
     ("float16", 2049, False), ("float32", 2**24, True), ("float32", 2**24 + 1, False)],
)  # fmt: skip
def test_integers_are_exact_up_to_the_digits(dtype: str, most: int, held: bool) -> None:
    program = lsrl.parse(f"input x: int in 0..{most}\noutput x")
    if held:
        model = lsrl.compile(program, dtype=dtype)
        assert model.certificate["bound"] == {"x": 0}
        assert model.run([most, most - 1, 1]).tolist() == [most, most - 1, 1]
    else:
        with pytest.raises(lsrl.UnsupportedError) as caught:
            lsrl.compile(program, dtype=dtype)
        assert caught.value.code == "E804"


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", ["majority", "parity", "dictionary"])
def test_whole_programs_of_integers_are_exact(name: str, dtype: str) -> None:
    model = lsrl.compile(lsrl.load(f"examples/{name}.lsrl", length=60), dtype=dtype)
    assert set(model.certificate["bound"].values()) == {0}
    report = lsrl.verify(model, samples=60)
    assert report.passed and report.max_error == 0
    assert report.runners == ("numpy", "torch")


def test_small_numbers_are_not_lost_silently() -> None:
    """x / 2^20 lies below float16's normal range: the error is far beyond a relative one."""
    program = lsrl.parse(PROGRAMS["small numbers"])
    model = lsrl.compile(program, dtype="float16", tolerance=1e-3)
    error = max(observed(model, "torch").values())
    assert 2.0**-11 * 2.0**-20 * 8 < error <= model.certificate["bound"]["output"] < 1e-6
    with pytest.raises(lsrl.UnsupportedError) as caught:  # 1e-3 of the output's range
        lsrl.compile(program, dtype="float16")
    assert caught.value.code == "E804"


OVERFLOWS = {
    "input x: int in 0..70000\noutput x / 2":
        "in float16 the input `x` can pass 65504, the largest number there is",
    "input x: int in 0..2000\noutput 40 * x / 2":
        None,  # 20 x, folded: fits
    "input x: real in 0..2000\ny = 40 * x\noutput y > 60000":
        "in float16 a value here can pass 65504, the largest number there is",
    "input x: real in -1..1\noutput 100000 * x":
        "in float16 a value here can pass 65504, the largest number there is",
    "length <= 100\ninput x: real in 0..1000\nstate s = 0 then s + x\noutput s":
        "in float16 a value here can pass 65504, the largest number there is",
    "length <= 60\ninput x: real in 0..1000\nstate s = 0 then s + x\noutput s":
        None,
}  # fmt: skip


@pytest.mark.parametrize("text", OVERFLOWS)
def test_what_can_pass_the_largest_number_is_refused(text: str) -> None:
    program, wanted = lsrl.parse(text), OVERFLOWS[text]
    options = {"dtype": "float16", "tolerance": 1e9, "verify": False, "guard": 1.0}
    if wanted is None:
        model = lsrl.compile(program, **options)  # type: ignore[arg-type]
        assert np.isfinite(max(observed(model, "torch").values()))
        return
    with pytest.raises(lsrl.UnsupportedError) as caught:
        lsrl.compile(program, **options)  # type: ignore[arg-type]
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.message) == ("E805", wanted)
    assert problem.help == "use bfloat16 or float32, a shorter --length or narrower bounds"


def test_errors_feed_back_into_the_rounding_of_a_state() -> None:
    """A sum of many equal steps in bfloat16 stalls: the certificate grows faster than the count of
    roundings of the ideal sum, or there is none."""
    program = lsrl.parse(PROGRAMS["a growing sum"])
    model = lsrl.compile(program, dtype="bfloat16", tolerance=1e9, verify=False)
    error = max(observed(model, "torch").values())
    first_order = 100 * 2.0**-8 * 100
    assert error > 5
    assert model.certificate["bound"]["s"] > 1.2 * first_order


def test_a_closed_gate_lets_nothing_through_that_is_not_in_the_bound() -> None:
    """r(a - M f) of a sum of many terms: rounding can leave more than M - a."""
    terms = " + ".join(f"{k}.37 * x{k} / 11" for k in range(1, 9))
    inputs = "".join(f"input x{k}: real in -1..1\n" for k in range(1, 9))
    text = f"{inputs}input b: bool\noutput if b then {terms} else 0"
    for dtype in NARROW:
        model = lsrl.compile(lsrl.parse(text), dtype=dtype, tolerance=1e9, verify=False)
        for backend in ("numpy", "torch"):
            for seed in range(3):
                found = observed(model, backend, seed)["output"]
                assert 0 < found <= model.certificate["bound"]["output"]


def test_a_closed_gate_of_one_term_rounds_no_more_than_an_open_one() -> None:
    """r(x - M k): closed, M is exact beside x."""
    text = "input k: int in 0..1\ninput x: int in 0..1000\noutput (if k == 0 then x else 0) / 4"
    model = lsrl.compile(lsrl.parse(text), dtype="bfloat16", tolerance=1e9, verify=False)
    read = 1000 / 256 / 4  # the rounding of x itself
    assert read <= model.certificate["bound"]["output"] < 1.01 * read
    model = lsrl.compile(lsrl.parse(text.replace("1000", "127")), dtype="bfloat16", verify=False)
    assert model.certificate["bound"]["output"] == 0
