# Everything runs in one virtual environment, made at the first use: `make test VENV=/elsewhere` uses another.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
PEERS ?= .venv-peers
ENGINE ?= podman
PRACTICE_SEED := 2026
# A worker more than cores, at most four: tests also wait for clocks, browsers and notebooks.
WORKERS := $(shell $(PYTHON) -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 15

.PHONY: grade install test test-all redteam lint validate data notebook format peers image fuzz pictures docs

# Grade the co-teaching reference on the practice data.
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

# An answer within minutes: every part of the kit, and one of each kind of what takes long.
test: $(BIN)/.installed
	$(PYTEST)

# Everything: all hostile submissions, more examples of random input, Ray with two nodes, every page in Chromium, the
# commands of the documentation.
test-all: $(BIN)/.installed
	$(PYTEST) -m "slow or not slow" --hypothesis-profile thorough

# All hostile submissions, each with its verdict, and whether they work against careless graders.
redteam: $(BIN)/.installed
	$(PYTEST) -m "slow or not slow" tests/test_redteam.py

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/competition build-notebook --check

# The pages of docs/ as a site in build/site. Material announces its own future at each build, unless it is told not to.
docs: $(BIN)/.installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Grade all references and the oracle on the standard profile, and compare with reference_solutions/expected.toml.
validate: $(BIN)/.installed
	$(BIN)/grader validate

# Build the practice data, unless it is there.
data: $(BIN)/.installed
	@test -f data/public/manifest.json || $(BIN)/competition build-data --seed $(PRACTICE_SEED) --out data

# Write starter_notebook.ipynb from its sources.
notebook: $(BIN)/.installed
	$(BIN)/competition build-notebook

# Other implementations, for the benchmarks. Some pin old versions of torch, NumPy or scikit-learn, so they are installed
# without their dependencies, into an environment of their own that sees the packages of the project's.
peers: $(BIN)/.installed
	test -x $(PEERS)/bin/python || $(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --no-deps opendataval==1.3.0 modAL-python==0.4.2.1 skorch==1.4.0 \
		scikit-activeml==1.0.1 makefun==1.16.0 cleanlab==2.9.0 termcolor==3.3.0 geomloss==0.2.6 \
		transformers==4.57.6 tokenizers==0.22.2 huggingface-hub==0.36.2 regex
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
		> "$$($(PEERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"

# The image for --sandbox podman or docker, with the packages of this environment and nothing else.
image: $(BIN)/.installed
	@mkdir -p build/image
	$(BIN)/python -m pip freeze --exclude-editable > build/image/requirements.txt
	$(ENGINE) build --file grader/sandbox/Dockerfile --tag label-noise-competition \
		--build-arg PYTHON="$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" build/image

# Hypothesis against whatever reads what others made: 10,000 examples of each property, also of the slow ones.
fuzz: $(BIN)/.installed
	$(PYTEST) -m "slow or not slow" --hypothesis-profile fuzz tests/test_fuzz*.py

# The pictures of the README and of docs/, from the gradings of a small contest: a quarter of an hour, once.
pictures: $(BIN)/.installed
	$(BIN)/python docs/pictures.py

format: $(BIN)/.installed
	$(BIN)/ruff format .

$(BIN)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@
