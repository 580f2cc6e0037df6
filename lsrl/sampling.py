"""Drawing inputs that meet every `assume` and break no declared bound.

Sequences are proposed whole, in several manners (`proposals.py`), and screened. Those that break
something are run again step by step: where a step breaks a promise, others are tried in its place
from the state before it. A sequence without any way on is given up for a copy of one that has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from .errors import OptionError, ProgramError
from .interpret.machine import Frame
from .interpret.screen import Screen, Verdict
from .ir.semantics import Array
from .program import GUARD, Program
from .proposals import Batch, Proposals

ELEMENTS = 2**18  # input elements drawn at once, about
COMPANIONS = 16  # sequences that are repaired together, at least
CANDIDATES = 16  # tried at once in place of a step that breaks a promise
ROUNDS = 6  # of candidates
RESTARTS = 4
EXHAUSTIVE = 4096  # elements of the input's type, up to which all are tried
CARELESS = 0.125  # part of the sequences in which comparisons of reals may be undetermined


class Sampler:
    """Draws inputs of a program. The same seed gives the same sequence of draws.

    Comparisons of reals are kept `guard` apart in most sequences, where that is possible.
    """

    def __init__(self, program: Program, seed: int = 0, guard: float = GUARD) -> None:
        self.program = program
        self.rng = np.random.default_rng(seed)
        self.proposals = Proposals(program, guard)
        ranges = {n: (f.lo, f.hi) for n, f in enumerate(program.facts)}
        close = program.interpreter.comparisons
        self.screen = Screen(program.graph, ranges, close, 1.01 * guard)
        self._turn = 0

    def draw(self, n: int, length: int) -> Batch:
        """`n` sequences of `length` steps: `[n, T]` or `[n, T, d]` by field, as `Program.batch`.

        Raises `OptionError` E012 for sizes that cannot be, `ProgramError` E721 if no inputs were
        found that meet an `assume`.
        """
        self._check(n, length)
        width = sum(f.type.size for f in self.program.inputs)
        block = max(COMPANIONS, ELEMENTS // (length * width))
        parts = []
        for start in range(0, n, block):
            size = min(block, n - start)
            drawn = self._proposed(size, length)
            parts.append({name: a[:size] for name, a in self._mended(drawn, length).items()})
        joined = {f.name: np.concatenate([p[f.name] for p in parts]) for f in self.program.inputs}
        return self.proposals.typed(joined)

    def mend(self, fields: Mapping[str, Array]) -> Batch:
        """Sequences of the declared types, changed where they break a promise."""
        numbers = {name: np.array(a, dtype=np.float64) for name, a in fields.items()}
        n, length = next(iter(numbers.values())).shape[:2]
        mended = self._mended(numbers, length)
        return self.proposals.typed({name: a[:n] for name, a in mended.items()})

    def _check(self, n: int, length: int) -> None:
        if n < 1:
            raise OptionError.at("E012", None, f"{n} sequences cannot be drawn", "draw 1 or more")
        if not 1 <= length <= self.program.length:
            message = f"the length {length} is not between 1 and {self.program.length}"
            raise OptionError.at(
                "E012", None, message, "that is the longest that the program holds"
            )

    def _proposed(self, n: int, length: int) -> Batch:
        fields = self.proposals.draw(self.rng, n, length, self._turn)
        self._turn += n
        return fields

    def _mended(self, fields: Batch, length: int) -> Batch:
        """Repair what breaks a promise, among at least a few companions."""
        if self.screen.idle:
            return fields
        n = len(next(iter(fields.values())))
        careful = np.full(n, bool(self.screen.close)) & (self.rng.random(n) >= CARELESS)
        bad = np.flatnonzero(~self.screen.passes(fields, careful))
        if not len(bad):
            return fields
        companions = max(1, COMPANIONS - len(bad))
        extra = self._proposed(companions, length)
        work = {name: np.concatenate([a[bad], extra[name]]) for name, a in fields.items()}
        care = np.concatenate([careful[bad], np.zeros(companions, dtype=bool)])
        repaired = _Repair(self, care).run(work, length)
        for name, a in fields.items():
            a[bad] = repaired[name][: len(bad)]
        return fields


class _Repair:
    """One batch, step by step."""

    def __init__(self, sampler: Sampler, careful: Array) -> None:
        self.sampler, self.screen, self.rng = sampler, sampler.screen, sampler.rng
        self.domains = sampler.proposals.domains
        self.careful, self.size = careful, len(careful)
        self.culprits: Counter[int] = Counter()

    def run(self, fields: Batch, length: int) -> Batch:
        for _ in range(RESTARTS):
            if self._through(fields, length):
                return fields
            fields = self.sampler._proposed(self.size, length)
        raise self._hopeless(length)

    def _through(self, fields: Batch, length: int) -> bool:
        """All steps, in place; False if no sequence has a way on."""
        frame = self.screen.machine.frame(self.size)
        for t in range(length):
            before = dict(frame.carry)
            verdict = self._step(frame, {name: a[:, t] for name, a in fields.items()}, t)
            wrong = verdict.broken | (verdict.close & self.careful)
            if not wrong.any():
                continue
            lost = self._redraw(fields, t, np.flatnonzero(wrong), before, verdict.broken)
            if len(lost) == self.size:
                return False
            self._replace(fields, t, lost, before)
            frame.carry = before
            self._step(frame, {name: a[:, t] for name, a in fields.items()}, t)
        return True

    def _step(self, frame: Frame, now: Mapping[str, Array], t: int) -> Verdict:
        return self.screen.run(frame, {name: a[:, None] for name, a in now.items()}, t, 1)

    def _redraw(
        self, fields: Batch, t: int, rows: Array, before: Mapping[int, Array], broken: Array
    ) -> Array:
        """Find other elements at step t for these sequences; those that have none at all."""
        lost = broken.copy()
        for attempt in range(ROUNDS):
            rows = self._try(fields, t, rows, before, self._candidates(fields, t, rows), lost)
            if not len(rows) or (attempt and not lost.any()):
                break
        count = float(np.prod([d.count for d in self.domains]))
        few = np.flatnonzero(lost)[:COMPANIONS] if count <= EXHAUSTIVE else ()
        for row in few:
            self._try(fields, t, np.array([row]), before, self._everything(), lost)
        return np.flatnonzero(lost)

    def _try(
        self, fields: Batch, t: int, rows: Array, before: Mapping[int, Array], tried: Batch,
        lost: Array,
    ) -> Array:  # fmt: skip
        """Put the first good candidate `[rows, K, ...]` in place; the sequences that want more."""
        k = next(iter(tried.values())).shape[1]
        frame = self.screen.machine.frame(len(rows) * k)
        frame.carry = _repeated(before, rows, k, self.size)
        flat = {name: a.reshape(-1, *a.shape[2:]) for name, a in tried.items()}
        verdict = self._step(frame, flat, t)
        allowed = ~verdict.broken.reshape(-1, k)
        good = allowed & ~(verdict.close.reshape(-1, k) & self.careful[rows, None])
        improved = good.any(axis=1) | (allowed.any(axis=1) & lost[rows])
        choice = np.where(good.any(axis=1), good.argmax(axis=1), allowed.argmax(axis=1))
        for name, a in tried.items():
            fields[name][rows[improved], t] = a[improved, choice[improved]]
        lost[rows[improved]] = False
        if lost[rows].any() and (culprit := verdict.culprit()) is not None:
            self.culprits[culprit] += 1
        return rows[~good.any(axis=1)]

    def _candidates(self, fields: Batch, t: int, rows: Array) -> Batch:
        """Elements `[rows, K, ...]`: the one proposed or the one before, with fields redrawn."""
        result = {}
        shape = (len(rows), CANDIDATES)
        again = self.rng.random(shape) < 0.5
        rate = self.rng.random(shape)
        for d in self.domains:
            spread = (*shape, *[1] * len(d.shape))
            now, last = (fields[d.name][rows, max(0, t - back)][:, None] for back in (0, 1))
            base = np.where(again.reshape(spread), last, now)
            redraw = self.rng.random(base.shape) < rate.reshape(spread)
            other = self.sampler.proposals.other(self.rng, d, base)
            result[d.name] = np.where(redraw, other, base)
        return result

    def _everything(self) -> Batch:
        """Every element of the input's type, in random order, `[1, K, ...]`."""
        values = [d.every() for d in self.domains]
        index = np.indices([len(v) for v in values]).reshape(len(values), -1)
        index = index[:, self.rng.permutation(index.shape[1])]
        return {d.name: v[i][None] for d, v, i in zip(self.domains, values, index, strict=True)}

    def _replace(self, fields: Batch, t: int, lost: Array, before: dict[int, Array]) -> None:
        """Sequences without a way on become copies, up to this step, of others."""
        if not len(lost):
            return
        alive = np.setdiff1d(np.arange(self.size), lost)
        source = np.arange(self.size)
        source[lost] = self.rng.choice(alive, len(lost))
        for a in fields.values():
            a[:, : t + 1] = a[source, : t + 1]
        for s, value in before.items():
            before[s] = value if len(value) == 1 else value[source]

    def _hopeless(self, length: int) -> ProgramError:
        graph = self.screen.graph
        (node, _), *_ = self.culprits.most_common(1) or [(self.screen.rules[0], 0)]
        assume = next((a for a in graph.assumes if a.node == node), None)
        span = assume.span if assume else graph.nodes[node].span
        line = f" of line {span.line}" if span else ""
        what = f"meet the assume{line}" if assume else f"keep to the declared bound{line}"
        help = "ranges of the inputs in which it holds more often make it easier"
        steps = "1 step" if length == 1 else f"{length} steps"
        message = f"no inputs of {steps} were found that {what}"
        error = ProgramError.at("E721", span, message, help)
        assert isinstance(error, ProgramError)
        return error


def _repeated(carry: Mapping[int, Array], rows: Array, k: int, size: int) -> dict[int, Array]:
    """States of these sequences, each k times; states that no input reaches stay as they are."""
    at = np.repeat(rows, k)
    return {s: v if len(v) == 1 and size > 1 else v[at] for s, v in carry.items()}
