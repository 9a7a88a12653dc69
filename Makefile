PYTHON ?= python3
# The environment that everything is installed into and runs from.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What pins versions: the CPU build of torch. /dev/null pins nothing.
CONSTRAINTS ?= constraints-cpu.txt
# The oldest Python that pyproject.toml admits.
OLDEST ?= python3.10

.PHONY: demo test test-fast test-lowest lint format bench torture docs docs-serve docs-test dist release-check clean

$(STAMP): pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[all,dev,docs]'
	touch $@

demo: $(STAMP)  ## the main job on real input: train, score and report
	$(BIN)/betavae demo

test: $(STAMP)  ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

test-fast: $(STAMP)  ## all but the tests marked slow or browser: under a minute on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m 'not slow and not browser'

test-lowest:  ## the whole suite on the oldest Python with the lowest versions, in .venv-lowest
	$(MAKE) test VENV=.venv-lowest PYTHON=$(OLDEST) CONSTRAINTS=constraints-lowest.txt

lint: $(STAMP)  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## every benchmark; writes benchmarks/results.json
	$(BIN)/python -m benchmarks

torture: $(STAMP)  ## mutated files, options, arguments; kills, two writers, clients of the explorer; over an hour
	$(BIN)/python -m benchmarks.torture

docs: $(STAMP)  ## the documentation site into site/, with Python 3.11 or newer; any warning fails
	@test -x $(BIN)/zensical || { echo "make docs needs Python 3.11 or newer" >&2; exit 2; }
	NO_COLOR=1 $(BIN)/zensical build --clean --strict
	@echo "look at it with: make docs-serve (its search and its menus need a server)"

docs-serve: $(STAMP)  ## the documentation site on http://localhost:8000, made anew as its pages change
	@test -x $(BIN)/zensical || { echo "make docs-serve needs Python 3.11 or newer" >&2; exit 2; }
	$(BIN)/zensical serve --dev-addr localhost:8000

docs-test: $(STAMP)  ## every code block and shell line of the documents, every example; see docs/testing.md
	OMP_NUM_THREADS=1 $(BIN)/python scripts/run_documents.py

dist: $(STAMP)  ## sdist and wheel into dist/; installs the wheel without extras in a new environment and tries it
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python scripts/try_wheel.py $(PYTHON) $(CONSTRAINTS)

release-check: $(STAMP)  ## whether this commit can be released: what make dist made, version, changelog, clean tree
	$(BIN)/python scripts/release_check.py

clean:
	rm -rf .venv .venv-lowest dist site
