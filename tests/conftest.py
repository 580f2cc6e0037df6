"""Hypothesis draws the same examples in every run; HYPOTHESIS_PROFILE=explore draws new ones.

Each process computes on one thread, since pytest-xdist starts one for each core; more threads of
BLAS and torch would share the cores. Set before NumPy and torch are imported; children inherit it.
"""

from __future__ import annotations

import os

from hypothesis import settings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
