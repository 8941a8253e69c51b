# The one door. Every target makes its own .venv when it is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test explore check format docs plots performance tools clean

help: ## say what each target does
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.installed: pyproject.toml scripts/venv
	@scripts/venv "$(PYTHON)" $(VENV)

tools:
	@scripts/tools

demo: $(VENV)/.installed tools ## start a fleet with examples/shop, try every door, take it down
	@$(BIN)/portway demo

# Tests wait for packets as often as they compute: one worker more than there are cores, and never many.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 1); echo $$((cores < 3 ? cores + 1 : 4)))
test: $(VENV)/.installed tools ## run all tests (as root: again as an ordinary user where it matters)
	@$(BIN)/python -m pytest -q --numprocesses $(WORKERS) --dist loadscope --no-loadscope-reorder

explore: $(VENV)/.installed tools ## try the properties on a thousand random examples each
	@$(BIN)/python -m pytest -q --hypothesis-profile explore --numprocesses $(WORKERS) --dist loadscope tests/unit tests/flows

check: $(VENV)/.installed ## format, lint, types, imports
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.installed ## let ruff write the format and the safe fixes
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

docs: $(VENV)/.installed ## write the generated pages
	@$(BIN)/python scripts/cli-reference > docs/cli.md
	@$(BIN)/python scripts/log-schema > docs/access-log.schema.json
	@$(BIN)/python scripts/lint-schema > docs/lint.schema.json
	@$(BIN)/python scripts/check-pages

plots: $(VENV)/.installed ## write docs/performance.md's tables and plots from bench/figures
	@$(BIN)/python bench/report.py

FIGURES := bench/figures
performance: $(VENV)/.installed tools ## measure everything on this idle machine, then write tables and plots
	@mkdir -p $(FIGURES)
	@echo "1 of 4: first sync"
	@SIZES=100x10,1000x10,10000x10,5000x50,1x100000,30000x10,100000x10 JSON=$(FIGURES)/sync.json $(BIN)/python bench/sync.py
	@echo "2 of 4: one change"
	@SIZES=100x10,1000x10,10000x10,1x100000 JSON=$(FIGURES)/change.json $(BIN)/python bench/change.py
	@echo "3 of 4: memory"
	@SIZES=1000x10,10000x10,5000x50,1x100000,100000x10 JSON=$(FIGURES)/memory.json $(BIN)/python bench/memory.py
	@echo "4 of 4: new and open connections"
	@JSON=$(FIGURES)/connect.json $(BIN)/python bench/connect.py
	@PACKETS=0 JSON=$(FIGURES)/policy.json $(BIN)/python bench/policy.py
	@JSON=$(FIGURES)/policy-packets.json $(BIN)/python bench/policy_packets.py
	@$(BIN)/python bench/report.py

bench-%: $(VENV)/.installed tools ## run one benchmark, e.g. make bench-up
	@$(BIN)/python bench/$(subst -,_,$*).py

clean: ## remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
