# Every command of the README. `make` alone lists them.

BIN := .venv/bin
LOCK ?= $(shell nvidia-smi -L 2>/dev/null | grep -q '^GPU' && echo cuda || echo cpu)
ifeq ($(filter cpu cuda,$(LOCK)),)
$(error LOCK=$(LOCK) is not a lock. Use LOCK=cpu or LOCK=cuda)
endif
INSTALLED := .venv/.tunesmith-$(LOCK)
REQUIREMENTS := platform/requirements
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-slow check bench soak docs chart sbom lock install

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(INSTALLED) ## install, then the whole loop on the sample corpus, without a GPU
	@$(BIN)/tunesmith quickstart

test: $(INSTALLED) ## the test suite without its slowest flows; ARGS= goes to pytest, and names tests of any speed
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) $(if $(findstring tests/,$(ARGS)),,-m "not slow") $(ARGS)

test-slow: $(INSTALLED) ## the slowest flows, which `make test` leaves out
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) -m slow $(ARGS)

check: $(INSTALLED) ## lint, format, types, docstrings, import contracts, generated files
	$(BIN)/ruff check platform tests charts
	$(BIN)/ruff format --check platform tests charts
	$(BIN)/mypy
	$(BIN)/pydoclint --quiet platform/tunesmith
	$(BIN)/lint-imports
	$(BIN)/python -m tunesmith.cli.reference --check

bench: $(INSTALLED) ## the benchmarks; ARGS= goes to pytest
	@$(BIN)/python -m pytest $(if $(findstring tests/,$(ARGS)),,tests/bench) -o python_files='bench_*.py' -s $(ARGS)

soak: $(INSTALLED) ## kill -9 in SOAK_CASES=60 jobs' lives, drawn by SOAK_SEED=1; goes on where SOAK_REPORT=docs/soak.md stops
	@PYTHONPATH=$(CURDIR)/platform:$(CURDIR)/tests/flows:$(CURDIR)/tests/faults $(BIN)/python -m soak \
		--cases $(or $(SOAK_CASES),60) --seed $(or $(SOAK_SEED),1) --report $(or $(SOAK_REPORT),docs/soak.md)

docs: $(INSTALLED) ## write the generated pages again: docs/reference/ and the layout in README.md
	$(BIN)/python -m tunesmith.cli.reference

chart: $(INSTALLED) ## write what follows from the chart again: its schema, its README, manifests/
	@PYTHONPATH=platform:charts $(BIN)/python -m generate

sbom: ## dist/sbom-LOCK.cdx.json: what the image of that lock holds, as CycloneDX
	@PYTHON=$(PYTHON) $(REQUIREMENTS)/sbom.sh $(LOCK) dist/sbom-$(LOCK).cdx.json

lock: ## write the pinned requirements again from pyproject.toml; UPGRADE=1 takes the newest
	@UPGRADE=$(UPGRADE) PYTHON=$(PYTHON) $(REQUIREMENTS)/lock.sh

install: $(INSTALLED) ## .venv with the pinned packages: LOCK=cpu or cuda, by default what this machine has
	@echo "$(BIN) holds the $(LOCK) packages."

$(INSTALLED): $(REQUIREMENTS)/$(LOCK).txt $(REQUIREMENTS)/install.sh pyproject.toml
	@PYTHON=$(PYTHON) $(REQUIREMENTS)/install.sh $(LOCK)
