# make demo and make test set up everything that they need, on a fresh machine with Python 3.11+.

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= python3

# Python keeps what it compiles of modules, so each process does not compile them anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench experiments clean help

help:
	@echo "make demo   compile and prompt the dictionary and vector programs"
	@echo "make test   format, lint, types, and the whole test suite"
	@echo "make bench  the figures of the README"
	@echo "make experiments   a small version of every study, and out/experiments/report.html"

# The environment. The stamp holds what it was made from, so that it is made anew when that changes.
# Nothing is compiled at installation: most modules of torch and transformers are never imported.
$(VENV)/stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
		-c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/stamp
	$(BIN)/python examples/demo.py

check: $(VENV)/stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy lsrl backends

test: check
	$(BIN)/python -m pytest -n auto --dist worksteal

bench: $(VENV)/stamp
	$(BIN)/python benchmarks/sizes.py
	$(BIN)/python benchmarks/speed.py

# A sweep that was stopped goes on; the files in experiments/small are named after their studies.
experiments: $(VENV)/stamp
	for name in vector dictionary noise noise_float32 precision length finetune; do \
	  $(BIN)/lsrl experiment $${name%%_*} --sweep experiments/small/$$name.toml \
	    -o out/experiments/$$name $(JOBS) || exit 1; \
	done
	$(BIN)/lsrl experiment report out/experiments

clean:
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
