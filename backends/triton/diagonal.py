"""h_t = a_t h_{t-1} + u_t, each channel for itself."""

import torch
import triton
import triton.language as tl

from .launch import ROUNDED, check, numbers, then, tuned

SEQUENTIAL = [
    triton.Config({"BLOCK_W": w}, num_warps=n) for w, n in [(32, 1), (64, 2), (128, 4), (256, 8)]
]
SCAN = [
    triton.Config({"BLOCK_T": t, "BLOCK_W": w}, num_warps=n)
    for t, w, n in [(32, 32, 4), (64, 16, 4), (64, 32, 4), (128, 16, 8), (256, 8, 8)]
]


@tuned(triton.Config({"BLOCK_W": 64}), SEQUENTIAL, key=["W"])
@triton.jit
def diagonal_sequential(
    a_ptr, u_ptr, start_ptr, out_ptr, T, W, A_B, A_T, A_W,
    NUMBERS: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """One step after the other, h in registers; a program for a sequence and a block of channels.

    u, out [B, T, W] and start [B, W] are contiguous, a [B, T, W] has strides A_B, A_T, A_W.
    """
    b = tl.program_id(0).to(tl.int64)
    w = tl.program_id(1) * BLOCK_W + tl.arange(0, BLOCK_W)
    inside = w < W
    h = tl.load(start_ptr + b * W + w, inside, 0.0).to(NUMBERS)
    a_at, at = b * A_B + w * A_W, b * T * W + w
    for _ in range(T):
        a = tl.load(a_ptr + a_at, inside, 0.0)
        h = a * h + tl.load(u_ptr + at, inside, 0.0)
        tl.store(out_ptr + at, h, inside)
        a_at += A_T
        at += W


@tuned(triton.Config({"BLOCK_T": 16, "BLOCK_W": 16}), SCAN, key=["W"])
@triton.jit
def diagonal_scan(
    a_ptr, u_ptr, start_ptr, out_ptr, T, W, A_B, A_T, A_W,
    NUMBERS: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """The same, BLOCK_T steps at once."""
    b = tl.program_id(0).to(tl.int64)
    w = tl.program_id(1) * BLOCK_W + tl.arange(0, BLOCK_W)
    rows = tl.arange(0, BLOCK_T)
    h = tl.load(start_ptr + b * W + w, w < W, 0.0).to(NUMBERS)
    for first in range(0, T, BLOCK_T):
        t = first + rows
        inside = (t < T)[:, None] & (w < W)[None, :]
        at = (b * T + t)[:, None] * W + w[None, :]
        a_at = b * A_B + t.to(tl.int64)[:, None] * A_T + w[None, :] * A_W
        a = tl.load(a_ptr + a_at, inside, 0.0).to(NUMBERS)
        u = tl.load(u_ptr + at, inside, 0.0).to(NUMBERS)
        a, u = tl.associative_scan((a, u), 0, then)
        states = a * h[None, :] + u
        tl.store(out_ptr + at, states, inside)
        h = tl.sum(tl.where((rows == BLOCK_T - 1)[:, None], states, 0.0), 0)


def diagonal(a, u, h, scan=False):
    """a and u [B, T, W] and h [B, W] to all states [B, T, W]."""
    check(a, u, h)
    batch, steps, width = u.shape
    u, h = u.contiguous(), h.contiguous()
    out = torch.empty_like(u)
    if out.numel():
        kernel = diagonal_scan if scan else diagonal_sequential
        grid = lambda sizes: (batch, triton.cdiv(width, sizes["BLOCK_W"]))
        kernel[grid](a, u, h, out, steps, width, *a.stride(), numbers(u), **ROUNDED)
    return out
