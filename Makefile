PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test lint format bench torture docs docs-test clean

$(STAMP): pyproject.toml constraints-cpu.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints-cpu.txt -e '.[all,dev,docs]'
	touch $@

demo: $(STAMP)  ## the main job on real input: train, score and report, about five minutes on two cores
	$(BIN)/betavae demo

test: $(STAMP)  ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

lint: $(STAMP)  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## every benchmark; writes benchmarks/results.json
	$(BIN)/python -m benchmarks

torture: $(STAMP)  ## kills, mutated files and options, bad arguments, two writers; about an hour
	$(BIN)/python -m benchmarks.torture

docs: $(STAMP)  ## the documentation site into site/, with Python 3.11 or newer; any warning fails
	@test -x $(BIN)/zensical || { echo "make docs needs Python 3.11 or newer" >&2; exit 2; }
	NO_COLOR=1 $(BIN)/zensical build --clean --strict

docs-test: $(STAMP)  ## every code block and shell line of README.md and docs/; see docs/testing.md
	OMP_NUM_THREADS=1 $(BIN)/python scripts/run_documents.py

clean:
	rm -rf .venv
