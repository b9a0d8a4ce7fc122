# Everything runs in one virtual environment, made at the first use: `make test VENV=/elsewhere` uses another.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PRACTICE_SEED := 2026

.PHONY: grade install test lint validate data notebook format

# Grade the co-teaching reference on the full-size practice data.
grade: $(BIN)/.installed data
	@mkdir -p build
	@$(BIN)/competition package reference_solutions/co_teaching.py -o build/co_teaching.ipynb
	@if command -v bwrap > /dev/null; then \
		$(BIN)/grader grade build/co_teaching.ipynb --split test_a; \
	else \
		echo "bubblewrap is not installed: this trusted reference is graded without isolation"; \
		$(BIN)/grader grade build/co_teaching.ipynb --split test_a --sandbox none; \
	fi

# The environment alone: commands are then in .venv/bin.
install: $(BIN)/.installed

test: $(BIN)/.installed
	$(BIN)/pytest

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/competition build-notebook --check

# Grade all references and the oracle on the mini profile, and compare with reference_solutions/expected.toml.
validate: $(BIN)/.installed
	$(BIN)/grader validate --profile mini

# Build the full-size practice data, unless it is there.
data: $(BIN)/.installed
	@test -f data/public/manifest.json || $(BIN)/competition build-data --seed $(PRACTICE_SEED) --out data

# Write starter_notebook.ipynb from its sources.
notebook: $(BIN)/.installed
	$(BIN)/competition build-notebook

format: $(BIN)/.installed
	$(BIN)/ruff format .

$(BIN)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
