"""The ground-truth circuit: complete, and what it says of a definition is what implements it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_trace import HELD, example, sequences

import lsrl
from lsrl.lower.paths import within_step
from lsrl.symbols import nodes_of


def test_majority() -> None:
    circuit = example("majority").circuit()
    assert circuit.names == ["ones", "zeros", "output"]
    assert [str(u) for u in circuit["ones"]] == ["layer 0 state 1"]
    assert [(w.name, w.row, w.column, w.value) for w in circuit["zeros"][0].weights] == [
        ("layers.0.A", 0, 0, 1.0), ("layers.0.B", 0, 0, -1.0), ("layers.0.b", 0, None, 1.0),
    ]  # fmt: skip
    assert [str(u) for u in circuit["output"]] == [
        "layer 0 unit 0", "layer 0 unit 1", "layer 1 unit 0",
    ]  # fmt: skip
    assert circuit.missing == {"bit": "it is an input"}


@pytest.mark.parametrize("path", HELD, ids=lambda p: p.stem)
def test_every_unit_belongs_to_a_name_or_carries_one(path: Path) -> None:
    model = example(path.stem)
    circuit = model.circuit()
    known = set(nodes_of(model.program.graph))
    named = {(u.layer, u.kind, u.index) for units in circuit.units.values() for u in units}
    carrying = {(c.unit.layer, c.unit.kind, c.unit.index) for c in circuit.carriers}
    every = {
        place
        for k, (_, p, m) in enumerate(model.shape["layers"])
        for place in [*((k, "s", i) for i in range(p)), *((k, "y", i) for i in range(m))]
    }
    assert named | carrying == every
    assert not named & carrying
    assert set(circuit) <= known
    assert all(c.names and set(c.names) <= known for c in circuit.carriers)


@pytest.mark.parametrize("path", HELD, ids=lambda p: p.stem)
def test_without_its_units_a_definition_fails_first(path: Path) -> None:
    """Set the weights of a name's units to 0: what does not follow from it, or from another name
    that shares one of the units, stays right."""
    model = example(path.stem)
    graph, nodes = model.program.graph, nodes_of(model.program.graph)
    x = sequences(model.program)[0]
    failed = 0
    for name, units in model.circuit().units.items():
        weights = {n: w.copy() for n, w in model.weights.items()}
        for w in (w for u in units for w in u.weights):
            weights[w.name][w.row if w.column is None else (w.row, w.column)] = 0
        found = replace(model, weights=weights).trace(x).first_divergence()
        if found is not None:
            failed += 1
            owners = [n for n, own in model.circuit().units.items() if set(own) & set(units)]
            follows = {k for n in owners for k in _ever(graph, nodes[n])}
            assert nodes[found.name] in follows, (name, found)
    assert failed > 0


def _ever(graph: lsrl.program.Graph, start: int) -> set[int]:
    """What follows from a node, in the same step or later."""
    found, grown = within_step(graph, start), True
    while grown:
        before = len(found)
        for n, node in enumerate(graph.nodes):
            if node.op == "prev" and graph.states[node.attrs[0]].next in found and n not in found:
                found |= within_step(graph, n)
        grown = len(found) > before
    return found


def test_names_without_units_and_unknown_ones() -> None:
    circuit = example("dictionary").circuit()
    with pytest.raises(lsrl.OptionError) as caught:
        circuit["query"]
    assert str(caught.value) == (
        "error[E015]: `query` is not in the model: it is a combination of others, without units of "
        "its own\n  help: choose one of those that `lsrl trace` lists"
    )
    with pytest.raises(lsrl.OptionError, match=r"did you mean `store.register`"):
        circuit["store.registers"]
    assert "query" not in circuit
    assert len(circuit) == len(list(circuit)) > 5


def test_a_damaged_circuit() -> None:
    model = example("majority")
    for units in ({}, {"units": {"ones": [[0, "q", 0]]}, "carriers": []},
                  {"units": {"ones": [[0, "s", 99]]}, "carriers": []}):  # fmt: skip
        with pytest.raises(lsrl.CheckpointError) as caught:
            replace(model, units=units).circuit()
        assert str(caught.value) == (
            "error[E040]: circuit.json is damaged: it does not fit the weights\n"
            "  help: compile the program again"
        )


def test_as_plain_data() -> None:
    data = example("majority").circuit().as_json()
    assert data["units"]["ones"] == [
        {"layer": 0, "kind": "s", "index": 1,
         "weights": [["layers.0.A", 1, 1, 1.0], ["layers.0.B", 1, 0, 1.0]]}
    ]  # fmt: skip
    assert np.all([isinstance(c["names"], list) for c in data["carriers"]])
