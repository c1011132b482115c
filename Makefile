# `make demo` does the main job, `make test` checks everything, `make docs` builds the site. All do their own set-up.
PYTHON ?= python3
VENV ?= .venv
OUT ?= demo-out
# The tensors of the tests are small; more threads cost more than they bring.
THREADS ?= 1
WORKERS ?= 2
BIN := $(VENV)/bin

.PHONY: demo docs test lint types unit slow test-integrations clean

# One stamp an extra set, renewed when the requirements change.
$(VENV)/.evoloss-%: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$*]'
	touch $@

demo: $(VENV)/.evoloss-demo
	$(BIN)/python examples/demo.py --out $(OUT)

docs: $(VENV)/.evoloss-docs
	$(BIN)/python -m mkdocs build --strict

test: lint types unit

lint: $(VENV)/.evoloss-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.evoloss-dev
	$(BIN)/mypy

unit: $(VENV)/.evoloss-dev
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

slow: $(VENV)/.evoloss-dev
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest -m slow

# Each tool that losses are used in, at both ends of its versions, in an environment of its own; TOOLS="lightning timm"
# runs some. What has been done is not done again. Writes the table of docs/how-to/frameworks.md.
test-integrations:
	$(PYTHON) -m tests.integrations.matrix --folder $(VENV)-integrations $(if $(TOOLS),--tools $(TOOLS))
	$(PYTHON) -m tests.integrations.table --write

clean:
	rm -rf $(VENV) $(VENV)-integrations $(OUT) build dist src/*.egg-info .mypy_cache .pytest_cache .ruff_cache
