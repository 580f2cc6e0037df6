"""s_t = A s_{t-1} + u_t with a constant A: the state of the linear RNNs."""

from functools import partial

import torch
import triton
import triton.language as tl

from .diagonal import diagonal
from .launch import ROUNDED, check, numbers, tuned

NARROW = 128  # states that are held in registers
TILE = 4096  # entries of A that are read at a time
WIDE = [
    triton.Config({"BLOCK_P": p, "BLOCK_K": k}, num_warps=n)
    for p, k, n in [(256, 1, 4), (256, 4, 8), (1024, 1, 8), (64, 64, 8), (32, 128, 8)]
]


@tuned(triton.Config({}), [triton.Config({}, num_warps=n) for n in (1, 2, 4)], key=["P", "K"])
@triton.jit
def transition_sequential(
    value_ptr, column_ptr, u_ptr, start_ptr, out_ptr, T, P, K,
    P_PADDED: tl.constexpr, BLOCK_K: tl.constexpr, NUMBERS: tl.constexpr,
):  # fmt: skip
    """One step after the other, s in registers; a program for a sequence.

    Row p of A is K numbers, value[k, p] in column[k, p]: [K, P]. u, out [B, T, P] and start [B, P].
    """
    b = tl.program_id(0).to(tl.int64)
    p = tl.arange(0, P_PADDED)
    s = tl.load(start_ptr + b * P + p, p < P, 0.0).to(NUMBERS)
    for t in range(T):
        at = (b * T + t) * P + p
        after = tl.load(u_ptr + at, p < P, 0.0).to(NUMBERS)
        before = tl.broadcast_to(s[None, :], (BLOCK_K, P_PADDED))
        for first in range(0, K, BLOCK_K):
            k = first + tl.arange(0, BLOCK_K)
            inside = (k < K)[:, None] & (p < P)[None, :]
            entry = k[:, None] * P + p[None, :]
            column = tl.load(column_ptr + entry, inside, 0)
            value = tl.load(value_ptr + entry, inside, 0.0)
            after += tl.sum(value * tl.gather(before, column, 1), 0)
        s = after
        tl.store(out_ptr + at, s, p < P)


@tuned(triton.Config({"BLOCK_P": 64, "BLOCK_K": 8}), WIDE, key=["P", "K"])
@triton.jit
def transition_wide(
    value_ptr, column_ptr, u_ptr, out_ptr, T, P, K,
    NUMBERS: tl.constexpr, BLOCK_P: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """The same for states too wide for registers: each is read where it was written. out
    [B, T + 1, P] begins with the start."""
    b = tl.program_id(0).to(tl.int64)
    for t in range(T):
        before = (b * (T + 1) + t) * P
        for from_p in range(0, P, BLOCK_P):
            p = from_p + tl.arange(0, BLOCK_P)
            s = tl.load(u_ptr + (b * T + t) * P + p, p < P, 0.0).to(NUMBERS)
            for from_k in range(0, K, BLOCK_K):
                k = from_k + tl.arange(0, BLOCK_K)
                inside = (k < K)[:, None] & (p < P)[None, :]
                entry = k[:, None] * P + p[None, :]
                column = tl.load(column_ptr + entry, inside, 0)
                value = tl.load(value_ptr + entry, inside, 0.0)
                s += tl.sum(value * tl.load(out_ptr + before + column, inside, 0.0), 0)
            tl.store(out_ptr + before + P + p, s, p < P)
        tl.debug_barrier()  # all of a state is written before it is read


def entries(A):
    """A [P, P] by rows: the values [K, P] that are not 0, and their columns. K is the number of
    them in the fullest row; others are filled up with zeros."""
    most = max(1, int((A != 0).sum(1).max())) if len(A) else 1
    column = (A == 0).sort(dim=1, stable=True).indices[:, :most].T
    return A.T.gather(0, column).contiguous(), column.int().contiguous()


def transition(rows, u, s):
    """A by rows, u [B, T, P] and s [B, P] to all states [B, T, P], for any A."""
    check(*rows, u, s)
    (most, size), (batch, steps) = rows[0].shape, u.shape[:2]
    u = u.contiguous()
    sizes = steps, size, most
    if not u.numel():
        return torch.empty_like(u)
    if size > NARROW:
        out = torch.cat([s.unsqueeze(1), torch.empty_like(u)], dim=1)
        transition_wide[batch,](*rows, u, out, *sizes, numbers(u), **ROUNDED)
        return out[:, 1:]
    out, padded = torch.empty_like(u), triton.next_power_of_2(size)
    block = min(triton.next_power_of_2(most), TILE // padded)
    transition_sequential[batch,](
        *rows, u, s.contiguous(), out, *sizes, padded, block, numbers(u), **ROUNDED
    )
    return out


def stages(A):
    """The lanes in an order in which each reads itself and those of earlier stages: pairs of lanes,
    and whether they read nothing else, or else each other in cycles.

    A lane reads more lanes, over any number of steps, than each of those that it reads, but for
    those in a cycle with it, which read as many.
    """
    reads = (A != 0) | torch.eye(len(A), dtype=torch.bool, device=A.device)
    for _ in range(len(A).bit_length()):
        reads = reads.float() @ reads.float() > 0
    count, alone = reads.sum(1), (reads & reads.T).sum(1) == 1
    found = [((count == c) & (alone == own), own) for c in count.unique() for own in (True, False)]
    return [(lanes.nonzero()[:, 0], own) for lanes, own in found if lanes.any()]


class Stages:
    """All states as `transition` gives them, stage by stage. Where lanes read themselves with a
    factor 0 they are shifts, with 1 or -1 sums, by scans over blocks of time; other factors, and
    cycles, go step after step."""

    def __init__(self, A):
        self.stages = []
        for lanes, alone in stages(A):
            inner, outer = A[lanes][:, lanes], A[lanes].index_fill(1, lanes, 0.0)
            state = self.alone(inner.diagonal()) if alone else partial(transition, entries(inner))
            self.stages.append((lanes, outer.T, state))

    @staticmethod
    def alone(factor):
        """What makes the states of lanes that read themselves with these factors [P]."""
        if not factor.any():
            return lambda u, s: u
        exact = bool(((factor == 0) | (factor.abs() == 1)).all())
        return lambda u, s: diagonal(factor.expand(u.shape), u, s, scan=exact)

    def __call__(self, u, s):
        """u [B, T, P] and s [B, P] to all states [B, T, P]."""
        states = torch.cat([s.unsqueeze(1), torch.zeros_like(u)], dim=1)
        for lanes, outer, state in self.stages:
            added = u[:, :, lanes] + states[:, :-1] @ outer
            states[:, 1:, lanes] = state(added, s[:, lanes])
        return states[:, 1:]


def with_kernels(model, scan=False):
    """The model, with its states by kernels: step after step, or `scan` for blocks of time at once,
    shifts and sums only."""
    for layer in model.layers:
        A = layer.A.detach()
        layer.recurrence = Stages(A) if scan else partial(transition, entries(A))
    return model
