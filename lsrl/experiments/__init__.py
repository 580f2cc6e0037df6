"""Studies of compiled models: sweeps of small cells whose rows are kept as they are finished.

A study (`studies/`) says what one cell measures and what its report shows; the rest is common: a
sweep names the cells, workers run them, results are appended and can be resumed.
"""

from .engine import run
from .study import STUDIES, study
from .sweep import Sweep, read_sweep

__all__ = ["STUDIES", "Sweep", "read_sweep", "run", "study"]
