"""Groups of one state as expressions over the whole time axis: by what becomes of a boolean, and by
the form that the next value takes."""

from __future__ import annotations

import numpy as np

from ..analysis.kinds import StateKind
from .emitter import Emitter, Found
from .forms import Choice, Form, Leaf, form_of, leaves, merged
from .operations import inverse
from .values import BOOL, INT, REAL, Value, constant, converted, kind_of, literal

ELEMENTWISE = frozenset(
    "prev bound promise number neg add sub mul div mod floordiv units lt le eq ne and or not "
    "select relu abs max min".split()
)


class SingleEmitter(Emitter):
    """Emits a group of one state, where one of these ways can."""

    # Booleans

    def _boolean(self) -> Found | None:
        """A boolean: what it becomes where it was false, and where it was true."""
        if len(self.states) > 1:
            return None
        (s,) = self.states
        type = self.graph.states[s].type
        single = type.size == 1 or all(self.graph.nodes[n].op in ELEMENTWISE for n in self.nodes)
        if kind_of(type) != BOOL or not single or self._form() is not None:
            return None
        (f0,), (f1,) = self._with({s: False}), self._with({s: True})
        f0, f1, before = converted(f0, BOOL), converted(f1, BOOL), self.before[s]
        if f1.equals(True):
            self._enter(s, f"running_any({self._lasting(f0)}, {before})")
            return self._found("whether something has ever held")
        if f0.equals(False):
            self._enter(s, f"running_all({self._lasting(f1)}, {before})")
            return self._found("whether something has always held")
        if self.scope.meaning.get(f1.text, f1.text) == inverse(f0).text:
            self._enter(s, f"parity({self._lasting(f0)}, {before})")
            return self._found("a parity of cumulative sums")
        self._enter(s, f"toggled({self._lasting(f0)}, {self._lasting(f1)}, {before})")
        return self._found("set, reset or toggled: the last setting, and a parity since")

    # One state, element by element

    def _form(self) -> Form | None:
        if len(self.states) > 1:
            return None
        return form_of(self.graph, self.nodes, self.states[0], self._outside)

    def _by_form(self) -> Found | None:
        form = self._form()
        if form is None:
            return None
        (s,) = self.states
        kind, all_leaves = kind_of(self.graph.states[s].type), list(leaves(form))
        if any(leaf.is_limited for leaf in all_leaves):
            return self._limited(s, form, all_leaves, kind)
        if isinstance(form, Leaf):
            return self._sum(s, form, kind)
        moduli = {leaf.modulus for leaf in all_leaves}
        if all(leaf.factor.equals(0) or leaf.factor.equals(1) for leaf in all_leaves):
            return self._held(s, form, all_leaves, kind)
        return self._gated(s, form, kind) if moduli == {None} else None

    def _sum(self, s: int, leaf: Leaf, kind: str) -> Found | None:
        """factor p + rest, perhaps modulo m."""
        before, rest = self.before[s], leaf.rest
        if kind == BOOL:
            return None
        if leaf.factor.equals(1):
            found = self._known_sum(s, kind) if leaf.modulus is None else None
            if found is not None:
                return found
            if rest.constant is None:
                text, how = f"total({rest.text}, {before})", "a cumulative sum"
            elif rest.equals(1):
                text, how = f"clock({before}, steps)", "index arithmetic"
            else:
                text = f"total(lasting({rest.text}, steps), {before})"
                how = "index arithmetic"
            if leaf.modulus is not None:
                text, how = f"modulo({text}, {leaf.modulus})", how + f" modulo {leaf.modulus}"
            self._enter(s, text)
            added = self._added(s)
            if kind == INT and leaf.modulus is None and added is not None:
                variable = self.scope.values[self.graph.states[s].next].text
                self.scope.totals[added] = variable, self.before[s]
            return self._found(how)
        if leaf.modulus is not None:
            return None
        if leaf.factor.constant is None:
            return self._gated(s, leaf, kind)
        factor = literal(leaf.factor.constant, kind)
        self._enter(s, f"decayed({factor}, {self._lasting(rest)}, {before})")
        grows = bool(np.any(np.abs(np.asarray(leaf.factor.constant, dtype=float)) > 1))
        return self._found("a decay, by blocks of steps", grows=grows)

    def _held(self, s: int, form: Choice, all_leaves: list[Leaf], kind: str) -> Found | None:
        """Kept, or set to another value, where a condition chooses which."""
        before = self.before[s]
        setting = merged(form, lambda leaf: constant(leaf.factor.equals(0), BOOL), BOOL)
        assert setting is not None
        kept = [leaf for leaf in all_leaves if leaf.factor.equals(1)]
        moduli = {leaf.modulus for leaf in all_leaves if leaf.modulus is not None}
        modulus = next(iter(moduli), None)
        if len(moduli) > 1 or (modulus is not None and not self._stays(s, modulus)):
            return None
        if setting.constant is not None:
            return None
        if all(leaf.rest.equals(0) for leaf in kept):
            new = merged(form, lambda x: x.rest if x.factor.equals(0) else None, kind)
            assert new is not None
            if modulus is None and self._is_first(setting):
                return self._once(s, setting, new, kind)
            text, how = f"held({setting.text}, {new.text}, {before})", "the value last set"
        elif kind == INT:
            if any(leaf.modulus != modulus and not leaf.rest.equals(0) for leaf in kept):
                return None
            rest = merged(form, lambda leaf: leaf.rest, kind)
            assert rest is not None
            text = f"total_since({setting.text}, {self._lasting(rest)}, {before})"
            how = "a cumulative sum since the last setting"
        else:
            return self._gated(s, form, kind) if modulus is None else None
        if modulus is not None:
            text = f"modulo({text}, {modulus})"
        self._enter(s, text)
        return self._found(how)

    def _is_first(self, condition: Value) -> bool:
        """Whether a condition holds at the first step of a sequence, and at no other one."""
        text = self.scope.meaning.get(condition.text, condition.text)
        return text[0] == "~" and text[1:] in self.scope.later

    def _known_sum(self, s: int, kind: str) -> Found | None:
        """A sum that needs no adding up: of what only the first step adds, or the rest of one."""
        n = self._added(s)
        if n is None:
            return None
        node, values = self.graph.nodes[n], self.scope.values
        if node.op == "select" and not any(self.graph.states[s].init):
            condition, a, b = (values[k] for k in node.args)
            if b.equals(0) and self._is_first(condition):
                return self._once(s, condition, a, kind)
            if a.equals(0) and self._is_first(inverse(condition)):
                return self._once(s, inverse(condition), b, kind)
        if node.op == "sub" and kind == INT:
            each = values[node.args[0]]
            total, start = self.scope.totals.get(node.args[1], ("", ""))
            if total and each.constant is not None and not each.wide and not each.equals(0):
                before = f"{self.before[s]} + {start}"
                self._enter(s, f"remaining({each.text}, {total}, {before}, steps)")
                return self._found("index arithmetic, less another sum")
        return None

    def _added(self, s: int) -> int | None:
        """The node that is added to a state, if its next value is such a sum of two."""
        nodes = self.graph.nodes
        total = nodes[self._unbounded(self.graph.states[s].next)]
        others = [a for a in total.args if a not in self.nodes]
        if total.op != "add" or len(others) != 1:
            return None
        (own,) = (a for a in total.args if a in self.nodes)
        return others[0] if nodes[self._unbounded(own)].op == "prev" else None

    def _unbounded(self, n: int) -> int:
        """The node whose value is declared or promised to lie within bounds."""
        while self.graph.nodes[n].op in ("bound", "promise"):
            n = self.graph.nodes[n].args[0]
        return n

    def _once(self, s: int, condition: Value, new: Value, kind: str) -> Found:
        """The value that the first step sets."""
        value = self._lasting(converted(new, kind))
        self._enter(s, f"once({condition.text}, {value}, {self.before[s]}, steps)")
        return self._found("the value of the first step")

    def _stays(self, s: int, modulus: int) -> bool:
        """Whether all values of a state are among 0..modulus-1."""
        low, high = self._range(s)
        return bool(low.min() >= 0 and high.max() < modulus)

    def _gated(self, s: int, form: Form, kind: str) -> Found | None:
        """factor p + rest, where the input decides on both."""
        allowed = {StateKind.LINEAR, StateKind.GATED, StateKind.SIGNED}
        if not allowed & set(self.kinds.kinds) or kind == BOOL:
            return None
        factor = merged(form, lambda leaf: leaf.factor, kind)
        rest = merged(form, lambda leaf: leaf.rest, kind)
        assert factor is not None and rest is not None
        self._enter(s, f"gated({factor.text}, {self._lasting(rest)}, {self.before[s]})")
        return self._found("a scan of linear maps")

    def _limited(self, s: int, form: Form, all_leaves: list[Leaf], kind: str) -> Found | None:
        """Within limits: a running extreme, or a scan of maps min(max(p + x, low), high)."""
        if any(leaf.modulus is not None for leaf in all_leaves):
            return None
        if not all(leaf.factor.equals(0) or leaf.factor.equals(1) for leaf in all_leaves):
            return None
        before = self.before[s]
        if isinstance(form, Leaf) and form.factor.equals(1) and form.rest.equals(0):
            for end, other, name in (
                (form.low, form.high, "running_max"), (form.high, form.low, "running_min"),
            ):  # fmt: skip
                if end is not None and other is None:
                    self._enter(s, f"{name}({self._lasting(end)}, {before})")
                    return self._found("a running extreme")
        parts = [merged(form, part, REAL) for part in (_shift, _low, _high)]
        if not all(leaf.factor.equals(1) or leaf.is_plain for leaf in all_leaves):
            return None
        rest, low, high = (part for part in parts if part is not None)
        before = before if kind == REAL else f"real({before})"
        text = f"clamped({self._lasting(rest)}, {low.text}, {high.text}, {before})"
        self._enter(s, text if kind == REAL else f"integer({text})")
        return self._found("a scan of sums within limits")


def _is_set(leaf: Leaf) -> bool:
    """Whether the previous value does not matter."""
    return leaf.factor.equals(0) and leaf.is_plain


def _shift(leaf: Leaf) -> Value:
    """What is added to the previous value before it is limited."""
    return constant(0, REAL) if _is_set(leaf) else leaf.rest


def _low(leaf: Leaf) -> Value:
    """The lower limit; a value that is set is both limits."""
    return leaf.rest if _is_set(leaf) else leaf.low or Value("-INFINITY", REAL)


def _high(leaf: Leaf) -> Value:
    return leaf.rest if _is_set(leaf) else leaf.high or Value("INFINITY", REAL)
