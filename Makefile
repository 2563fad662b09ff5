# Each target sets up everything it needs in .venv, from python3 (3.11 or newer) and make alone. Bytecode is compiled
# when a module is first imported: compiling all of it at once would take longer than the quickstart computes.
PYTHON ?= python3
EXTRAS ?= dev
BIN := .venv/bin
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
# Where the environment forbids bytecode, every process would compile what it imports anew, for seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: quickstart test lint format notebooks benchmarks figures documents site clean

quickstart: .venv/.ready-run
	$(BIN)/sdprelax run experiments/quickstart.yaml

test: .venv/.ready-$(EXTRAS)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile

format: .venv/.ready-$(EXTRAS)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

figures: .venv/.ready-$(EXTRAS)
	$(BIN)/python experiments/publish.py quickstart tightness wedge losses
	$(BIN)/python notebooks/execute.py notebooks/tightness.ipynb notebooks/losses.ipynb

documents: .venv/.ready-$(EXTRAS)
	$(BIN)/python tools/write_documents.py

site: .venv/.ready-docs
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html -c docs -d build/doctrees . build/site
	$(BIN)/python tools/website/links.py build/site

notebooks: .venv/.ready-$(EXTRAS)
	$(BIN)/python notebooks/execute.py

benchmarks: .venv/.ready-$(EXTRAS)
	$(BIN)/python benchmarks/forms.py
	$(BIN)/python benchmarks/sweep.py

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "sdprelax needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.ready-run: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[all]"
	touch $@

.venv/.ready-%: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
