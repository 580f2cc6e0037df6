"""h_t = a_t h_{t-1} + u_t, each channel for itself: the RG-LRU of Hawk."""

from functools import partial

from .diagonal import diagonal


def with_kernels(model, scan=False):
    """The model, with its recurrences by kernels: step after step, or `scan` for blocks of time at
    once."""
    for layer in model.model.layers:
        layer.temporal_block.rg_lru.recurrence = partial(diagonal, scan=scan)
    return model
