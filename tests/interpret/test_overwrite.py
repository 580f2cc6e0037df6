"""The program with values overwritten, against Python."""

from __future__ import annotations

import numpy as np

import lsrl
from lsrl.interpret.overwrite import Overwriting, overwritten
from lsrl.ir.legality import check

TEXT = """\
input x: int in 0..9
state s = 1 then (2 * s + x) mod 50
d = s + prev(s, 7)
v = [s, d]
output v[0] + v[1]
"""


def reference(x: np.ndarray, s_at: dict[int, int], d_at: dict[int, int]) -> list[int]:
    """TEXT with s and d overwritten at some steps."""
    s, before, out = 1, 7, []
    for t, x_t in enumerate(x):
        s = s_at.get(t, (2 * s + x_t) % 50)
        d = d_at.get(t, s + before)
        out.append(s + d)
        before = s
    return out


def test_states_and_definitions_at_some_steps() -> None:
    graph = lsrl.parse(TEXT).elaborated.graph
    nodes = dict(graph.names)
    over = Overwriting(graph, [nodes["s"], nodes["d"]], 1e-3, ranges={})
    random = np.random.default_rng(5)
    x = random.integers(0, 10, (20, 12))
    values = {n: random.integers(0, 50, x.shape).astype(float) for n in over.nodes}
    where = {n: random.random(x.shape) < 0.3 for n in over.nodes}
    result = over.run({"x": x.astype(float)}, values, where, watch=[nodes["d"]])
    s_n, d_n = nodes["s"], nodes["d"]
    for k in range(len(x)):
        s_at, d_at = (
            {t: int(values[n][k, t]) for t in range(12) if where[n][k, t]} for n in (s_n, d_n)
        )
        assert result.outputs["output"][k].tolist() == reference(x[k], s_at, d_at)
        for t, d in d_at.items():
            assert result.watched[nodes["d"]][k, t] == d


def test_nothing_overwritten_is_the_program() -> None:
    program = lsrl.parse(TEXT)
    graph = program.elaborated.graph
    n = dict(graph.names)["s"]
    over = Overwriting(graph, [n], 1e-3, ranges={})
    x = np.array([[1.0, 9, 3, 0]])
    result = over.run({"x": x}, {n: x * 0}, {n: x > 99})
    assert result.outputs["output"][0].tolist() == program.run([1, 9, 3, 0]).tolist()


def test_vectors_element_by_element() -> None:
    program = lsrl.parse("input x: int in 0..9\nv = [x, 2 * x]\noutput v")
    graph = program.elaborated.graph
    n = dict(graph.names)["v"]
    over = Overwriting(graph, [n], 1e-3, ranges={})
    values, where = np.array([[[7.0, 8], [7, 8]]]), np.array([[[True, False], [False, True]]])
    result = over.run({"x": np.array([[1.0, 2]])}, {n: values}, {n: where})
    assert result.outputs["v"][0].tolist() == [[7, 2], [2, 8]]


def test_the_graph_is_legal_and_keeps_its_order() -> None:
    graph = lsrl.parse(TEXT).elaborated.graph
    made, place = overwritten(graph, [dict(graph.names)["s"]])
    check(made)
    assert place == sorted(set(place))
    assert len(made.nodes) == len(graph.nodes) + 3
