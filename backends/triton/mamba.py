"""h_t = exp(dt_t A) h_{t-1} + dt_t B_t u_t and y_t = C_t h_t: Mamba's selective scan."""

from functools import partial

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

from .launch import INTERPRETED, ROUNDED, check, numbers, then, tuned

SEQUENTIAL = [
    triton.Config({"BLOCK_W": w}, num_warps=n) for w, n in [(8, 1), (16, 1), (32, 2), (64, 4)]
]
SCAN = [
    triton.Config({"BLOCK_T": t, "BLOCK_W": w}, num_warps=n)
    for t, w, n in [(32, 4, 4), (64, 4, 8), (32, 8, 8), (128, 2, 8), (256, 1, 8)]
]


@triton.jit
def exp(x):
    """To the last digit or two; Triton's own exp of float32 is off by more on a GPU."""
    if INTERPRETED:
        return tl.exp(x)
    return libdevice.exp(x)


@tuned(triton.Config({"BLOCK_W": 32}), SEQUENTIAL, key=["W", "N"])
@triton.jit
def selective_sequential(
    dt_ptr, A_ptr, B_ptr, C_ptr, u_ptr, start_ptr, y_ptr, end_ptr, T, W, N,
    N_PADDED: tl.constexpr, NUMBERS: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """One step after the other, h in registers; a program for a sequence and a block of channels.

    dt, u, y [B, T, W], A [W, N], B, C [B, T, N], start, end [B, W, N], all contiguous.
    """
    b = tl.program_id(0).to(tl.int64)
    w = tl.program_id(1) * BLOCK_W + tl.arange(0, BLOCK_W)
    n = tl.arange(0, N_PADDED)
    inside = (w < W)[:, None] & (n < N)[None, :]
    at = w[:, None] * N + n[None, :]
    A = tl.load(A_ptr + at, inside, 0.0).to(NUMBERS)
    h = tl.load(start_ptr + b * W * N + at, inside, 0.0).to(NUMBERS)
    for t in range(T):
        step = b * T + t
        dt = tl.load(dt_ptr + step * W + w, w < W, 0.0).to(NUMBERS)
        u = tl.load(u_ptr + step * W + w, w < W, 0.0).to(NUMBERS)
        B = tl.load(B_ptr + step * N + n, n < N, 0.0).to(NUMBERS)
        C = tl.load(C_ptr + step * N + n, n < N, 0.0).to(NUMBERS)
        h = exp(dt[:, None] * A) * h + dt[:, None] * B[None, :] * u[:, None]
        tl.store(y_ptr + step * W + w, tl.sum(h * C[None, :], 1), w < W)
    tl.store(end_ptr + b * W * N + at, h, inside)


@tuned(triton.Config({"BLOCK_T": 16, "BLOCK_W": 8}), SCAN, key=["W", "N"])
@triton.jit
def selective_scan(
    dt_ptr, A_ptr, B_ptr, C_ptr, u_ptr, start_ptr, y_ptr, end_ptr, T, W, N,
    N_PADDED: tl.constexpr, NUMBERS: tl.constexpr, BLOCK_T: tl.constexpr, BLOCK_W: tl.constexpr,
):  # fmt: skip
    """The same, BLOCK_T steps at once. Past the end dt = 0, so that h stays."""
    b = tl.program_id(0).to(tl.int64)
    w = tl.program_id(1) * BLOCK_W + tl.arange(0, BLOCK_W)
    n = tl.arange(0, N_PADDED)
    rows = tl.arange(0, BLOCK_T)
    inside = (w < W)[:, None] & (n < N)[None, :]
    at = w[:, None] * N + n[None, :]
    A = tl.load(A_ptr + at, inside, 0.0).to(NUMBERS)
    h = tl.load(start_ptr + b * W * N + at, inside, 0.0).to(NUMBERS)
    for first in range(0, T, BLOCK_T):
        t = first + rows
        step = (b * T + t)[:, None]
        channels = (t < T)[:, None] & (w < W)[None, :]
        states = (t < T)[:, None] & (n < N)[None, :]
        dt = tl.load(dt_ptr + step * W + w[None, :], channels, 0.0).to(NUMBERS)[:, :, None]
        u = tl.load(u_ptr + step * W + w[None, :], channels, 0.0).to(NUMBERS)[:, :, None]
        B = tl.load(B_ptr + step * N + n[None, :], states, 0.0).to(NUMBERS)[:, None, :]
        C = tl.load(C_ptr + step * N + n[None, :], states, 0.0).to(NUMBERS)[:, None, :]
        a, added = tl.associative_scan((exp(dt * A[None, :, :]), dt * B * u), 0, then)
        hs = a * h[None, :, :] + added
        tl.store(y_ptr + step * W + w[None, :], tl.sum(hs * C, 2), channels)
        h = tl.sum(tl.where((rows == BLOCK_T - 1)[:, None, None], hs, 0.0), 0)
    tl.store(end_ptr + b * W * N + at, h, inside)


def selective(dt, A, B, C, u, h, scan=False):
    """dt and u [B, T, W], A [W, N], B and C [B, T, N] and h [B, W, N] to y [B, T, W] and the last
    h."""
    given = [x.contiguous() for x in (dt, A, B, C, u, h)]
    check(*given)
    batch, steps, channels = u.shape
    states = A.shape[1]
    y, end = torch.empty_like(given[0]), torch.empty_like(given[5])
    if end.numel():
        kernel = selective_scan if scan else selective_sequential
        grid = lambda sizes: (batch, triton.cdiv(channels, sizes["BLOCK_W"]))
        padded = triton.next_power_of_2(states)
        kernel[grid](*given, y, end, steps, channels, states, padded, numbers(u), **ROUNDED)
    return y, end


def with_kernels(model, scan=False):
    """The model, with its selective scans by kernels: step after step, or `scan` for blocks of time
    at once."""
    for layer in model.backbone.layers:
        layer.mixer.recurrence = partial(selective, scan=scan)
    return model
