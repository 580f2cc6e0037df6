"""Running one element at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import InputError
from ..ir.nodes import Graph
from ..ir.semantics import Array
from .checks import raise_first
from .kernels import hold, rational, result_dtype, storage
from .machine import Machine


class Stepper:
    """A run that is fed step by step: constant memory, the same values as `Interpreter.run`."""

    def __init__(self, graph: Graph, machine: Machine, batch: int) -> None:
        self.graph, self.machine, self.batch = graph, machine, batch
        self.reset()

    def reset(self) -> None:
        """Back to before the first step."""
        self.steps = 0
        self._frame = self.machine.frame(self.batch)

    def step(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One element: `[B]` or `[B, d]` per field; the outputs likewise.

        Raises as `Interpreter.run`; the state is then as before the step.
        """
        graph, frame = self.graph, self._frame
        given = {n: self._fitted(name, inputs, n) for n, name in self.machine.inputs.items()}
        before = dict(frame.carry)
        self.machine.run(frame, given, self.steps, 1)
        if frame.violations:
            frame.carry = before
            raise_first(graph, frame)
        self.steps += 1
        results = {}
        for o in graph.outputs:
            type = graph.nodes[o.node].type
            dtype = result_dtype(type, self.machine.exact)
            room = np.empty((self.batch, *(type.shape or ())), dtype)
            room[...] = frame.at(o.node)[-1]
            results[o.name] = room
        return results

    def _fitted(self, name: str, inputs: Mapping[str, Array], node: int) -> Array:
        if name not in inputs:
            raise InputError.at("E711", None, f"the input `{name}` is missing")
        type = self.graph.nodes[node].type
        array = np.asarray(inputs[name])
        shape = (self.batch, *(type.shape or ()))
        if array.shape != shape:
            message = f"`{name}` has shape {array.shape}, but {shape} is needed"
            raise InputError.at("E718", None, message, "axes are: sequence, element")
        dtype = storage(type, self.machine.exact)
        return (rational(array) if dtype.kind == "O" else hold(array, dtype))[None]

    def state_dict(self) -> dict[str, Array]:
        """The states' values, `[B, ...]` (or `[1, ...]` where no input matters), and the step."""
        states = {self._key(s): v.copy() for s, v in self._frame.carry.items()}
        return {"step": np.array(self.steps), **states}

    def load_state_dict(self, saved: Mapping[str, Array]) -> None:
        """Continue from what `state_dict` gave. Raises `InputError` E718 if it does not fit."""
        wanted = {"step", *(self._key(s) for s in self._frame.carry)}
        if set(saved) != wanted:
            message = "the saved state is not one of this program"
            raise InputError.at("E718", None, message, "save it with the same program and options")
        carry = {s: self._loaded(s, saved[self._key(s)]) for s in self._frame.carry}
        self._frame.carry, self.steps = carry, int(saved["step"])

    def _loaded(self, state: int, value: Array) -> Array:
        type = self.graph.states[state].type
        shape, value = type.shape or (), np.asarray(value)
        if value.shape not in ((self.batch, *shape), (1, *shape)):
            message = f"the saved state `{self._key(state)}` has shape {value.shape}"
            raise InputError.at("E718", None, message, f"{(self.batch, *shape)} is needed")
        return hold(value, storage(type, self.machine.exact)).copy()

    def _key(self, state: int) -> str:
        """States may share a name; their place tells them apart."""
        return f"{state}.{self.graph.states[state].name}"
