"""Groups of states as expressions over the whole time axis: which form each takes, and its text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..analysis.dependence import Factor
from ..interpret.scans import find_routes
from .emitter import Found
from .operations import widened
from .single import SingleEmitter
from .values import BOOL, INT, REAL, Value, constant, converted, identifier, kind_of, literal

MAPS = 32  # joint values of states whose transition maps are composed


class GroupEmitter(SingleEmitter):
    """Emits one group into a scope, in the first of the ways that it can be computed in."""

    def emit(self) -> Found:
        """Enter the values of the states' next nodes into the scope."""
        for way in (self._boolean, self._by_form, self._window, self._linear, self._finite):
            found = way()
            if found is not None:
                return found
        return self._stepped()

    # Several elements

    def _window(self) -> Found | None:
        """A register: the last values of something."""
        routes = find_routes(self.graph, self.component)
        if routes is None:
            return None
        (s,) = self.states
        size = self.graph.states[s].type.size
        width = size // (1 + max(len(path) for path, _ in routes))
        if size % width:
            return None
        for j, (path, source) in enumerate(routes):
            if path != list(range(j + width, size, width)) or source != routes[j % width][1]:
                return None
        x = self._joined(
            [source for _, source in routes[:width]], kind_of(self.graph.states[s].type)
        )
        self._enter(s, f"window({x}, {self.before[s]})")
        return self._found("a window: shifted in time")

    def _joined(self, sources: Sequence[tuple[int, int]], kind: str) -> str:
        """Elements of nodes as one vector with a time axis."""
        node = sources[0][0]
        size = self.graph.nodes[node].type.size
        if sources == [(node, k) for k in range(size)]:
            value = widened(converted(self.scope.values[node], kind), size)
            return self._lasting(value)
        parts = []
        for n, k in sources:
            value = converted(self.scope.values[n], kind)
            if value.constant is not None and value.wide:
                value = constant(value.constant[k], kind)
            elif value.wide:
                value = Value(f"{value.operand}[{k}]", kind)
            parts.append(widened(value, 1))
        text = f"joined({', '.join(p.text for p in parts)})"
        fixed = all(p.constant is not None for p in parts)
        return f"lasting({text}, steps)" if fixed else text

    def _linear(self) -> Found | None:
        """Constant matrix times previous values, plus what does not depend on them."""
        if not self.kinds.is_linear:
            return None
        states = [self.graph.states[s] for s in self.states]
        kinds = {kind_of(s.type) for s in states}
        if REAL in kinds and len(kinds) > 1:
            return None
        kind = REAL if REAL in kinds else INT
        lanes = [(s, i) for s in self.states for i in range(self.graph.states[s].type.size)]
        matrix = [[(row or {}).get(lane, 0) for lane in lanes] for row in self.kinds.rows]
        entries = [c for row in matrix for c in row if not isinstance(c, Factor)]
        if kind == INT and any(c != int(c) for c in entries):
            return None
        rests = self._with(dict.fromkeys(self.states, 0))
        sizes = [s.type.size for s in states]
        parts = [widened(converted(v, kind), n) for v, n in zip(rests, sizes, strict=True)]
        fixed = all(p.constant is not None for p in parts)
        x = parts[0].text if len(parts) == 1 else f"joined({', '.join(p.text for p in parts)})"
        x = f"lasting({x}, steps)" if fixed else x
        array = np.array(matrix, dtype=object)
        before, diagonal = self._together(kind), array.diagonal()
        if (array != np.diag(diagonal)).any():
            how, text = "a linear recurrence, by pairs of steps", f"array({literal(array, kind)})"
            text = f"linear({self.scope.pooled(text)}, {x}, {before})"
        elif (diagonal == 1).all():
            how, text = "a cumulative sum", f"total({x}, {before})"
        else:
            how = "a decay, by blocks of steps"
            text = f"decayed({literal(diagonal, kind)}, {x}, {before})"
        self._split(text, kind, sizes)
        radius = np.abs(np.linalg.eigvals(array.astype(float))).max()
        return self._found(how, grows=bool(radius > 1 + 1e-9) and kind == REAL)

    def _together(self, kind: str) -> str:
        """The states before the first step, as one vector."""
        parts = []
        for s in self.states:
            state = self.graph.states[s]
            text = self.before[s] if kind_of(state.type) == kind else f"{kind}({self.before[s]})"
            parts.append(text if state.type.shape else f"{text}[None]")
        return parts[0] if len(parts) == 1 else f"stacked({', '.join(parts)})"

    def _split(self, text: str, kind: str, sizes: Sequence[int]) -> None:
        """Enter the states that are parts of a vector."""
        whole = self.scope.assign(Value(text, kind, True), "_".join(
            self.graph.states[s].name for s in self.states[:3]
        )).text  # fmt: skip
        at = 0
        for s, size in zip(self.states, sizes, strict=True):
            type = self.graph.states[s].type
            part = f"{whole}[{at}:{at + size}]" if type.shape else f"{whole}[{at}]"
            part = whole if type.shape and len(self.states) == 1 else part
            self._enter(s, part if kind_of(type) != BOOL else f"{part} != 0")
            at += size

    # Any function

    def _finite(self) -> Found | None:
        """Few joint values: the map of each step from the old to the new value is composed."""
        limits, count = [], 1.0
        for s in self.states:
            if kind_of(self.graph.states[s].type) == REAL:
                return None
            low, high = self._range(s)
            count *= float(np.prod(high - low + 1)) if np.isfinite(high - low).all() else np.inf
            if count > MAPS:
                return None
            limits.append((low, high))
        limits_text = [
            f"({literal(low, INT)}, {literal(high, INT)})"
            for low, high in (
                (np.asarray(a, dtype=object), np.asarray(b, dtype=object)) for a, b in limits
            )
        ]
        arguments = self._function()
        self._unpack(f"followed({arguments}, [{', '.join(limits_text)}], steps)")
        return self._found(f"compositions of maps of {int(count)} values")

    def _stepped(self) -> Found:
        """Anything: a loop over the steps."""
        self._unpack(f"stepped({self._function()}, steps)")
        why = next(iter(self.kinds.kinds)).reason
        return self._found(f"step by step: {why}", loop=True)

    def _unpack(self, text: str) -> None:
        variables = [identifier(self._name(s), self.scope.taken) for s in self.states]
        self.scope.lines.append(f"{', '.join(variables)}{',' * (len(variables) == 1)} = {text}")
        for s, variable in zip(self.states, variables, strict=True):
            self._enter(s, variable)

    def _name(self, s: int) -> str:
        state = self.graph.states[s]
        return self.scope.names.get(state.next, state.name)

    def _function(self) -> str:
        """Define the function from the old states and the values outside to the new states; the
        text of it, the states before and those values, as arguments."""
        external = sorted({a for n in self.nodes for a in self.graph.nodes[n].args} - {*self.nodes})
        given = {n: self._outside(n) for n in external}
        inner = self.scope.inner()
        inner.values = {n: v for n, v in given.items() if v.constant is not None}
        parameters = []
        for s in self.states:
            state = self.graph.states[s]
            value = Value(
                identifier(state.name, inner.taken), kind_of(state.type), bool(state.type.shape)
            )
            parameters.append(value.text)
            for n in self.nodes:
                if self.graph.nodes[n].op == "prev" and self.graph.nodes[n].attrs[0] == s:
                    inner.values[n] = value
        arguments = [n for n, v in given.items() if v.constant is None]
        inner.values |= {n: given[n] for n in arguments}
        parameters += list(dict.fromkeys(given[n].text for n in arguments))
        results = inner.under({}, [], [self.graph.states[s].next for s in self.states])
        for k, s in enumerate(self.states):
            state = self.graph.states[s]
            results[k] = converted(results[k], kind_of(state.type))
            if state.type.shape:
                results[k] = widened(results[k], state.type.size)
        name = identifier(f"next_{self.graph.states[self.states[0]].name}", self.scope.taken)
        result = f"return [{', '.join(r.text for r in results)}]"
        body = [*inner.live(result), result]
        head = f"def {name}({', '.join(parameters)}):"
        self.scope.functions.append("\n    ".join([head, *body]))
        before = ", ".join(self.before[s] for s in self.states)
        inputs = ", ".join(dict.fromkeys(given[n].text for n in arguments))
        return f"{name}, [{before}], [{inputs}]"
