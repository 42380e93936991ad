# Every target makes its own environment: a fresh clone needs Python 3.11 or newer, and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
APP_STAMP := $(VENV)/.installed-app
ROOMS := vocabulary store estimators fleet collectors detectors remediations metering simulator \
         incidents dashboard service

# Against real servers: each module on one worker. Most of the time is waited
# for faults to be seen, which is why there are more workers than cores on a small machine.
REAL := --timeout 600 -n 3 --dist loadfile --no-loadscope-reorder --durations 15

.PHONY: up test check fix docs clean integration lock drill drill-rules drill-baseline measure

up: $(APP_STAMP)
	@$(BIN)/tidegauge up --demo || test $$? = 1  # 1 says that there were incidents, as there should be

test: $(STAMP)
	$(BIN)/pytest -q -m "not integration and not browser and not prove" -n 2

integration: $(STAMP)
	$(BIN)/python tests/rigs/prepare.py --all
	$(BIN)/pytest -q -m "(integration or browser) and not prove" $(REAL)

prove: $(STAMP)
	$(BIN)/python tests/rigs/prepare.py --all
	$(BIN)/pytest -q -m prove $(REAL)

# In CI a server that cannot be had is a failure, not a skipped test.
check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python tests/rigs/prepare.py --all $(if $(CI),--strict)
	$(BIN)/pytest -q -m "not integration and not browser and not prove" -n 2
	$(BIN)/pytest -q -m "(integration or browser) and not prove" $(REAL)

fix: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)
	$(BIN)/tidegauge docs build

# The published run: hours on two cores; broken off, it goes on where it stopped.
drill: $(STAMP)
	$(BIN)/tidegauge drill --seeds 1000-1029 --cluster demo,held-out --alternate --overlaps --calm-hours 2 \
	  --results drill-results --score benchmarks/drill/published.json || test $$? = 1
	$(BIN)/tidegauge docs build

# Each alert rule, by the prometheus and promtool of the PATH or of the folder PROMETHEUS.
drill-rules: $(STAMP)
	$(BIN)/tidegauge drill --rules $(if $(PROMETHEUS),--prometheus $(PROMETHEUS)) --seeds 1000-1002 \
	  --calm-hours 1 --results drill-results --score benchmarks/drill/rules.json || test $$? = 1
	$(BIN)/tidegauge docs build

# Detection and changes beside plain peers, on public labelled sets in the folder DATA.
measure: $(STAMP)
	$(BIN)/tidegauge bench detection --data $(DATA)

# What CI holds a change against: a fault found before and missed now, or a false page, fails it.
drill-baseline: $(STAMP)
	$(BIN)/tidegauge drill --scenario benchmarks/drill/ci-faults.yaml \
	  --scenario benchmarks/drill/ci-quiet.yaml --score benchmarks/drill/baseline.json

lock: $(STAMP)
	for name in bootstrap agent app dev; do \
	  $(BIN)/uv pip compile requirements/$$name.in --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate -q -o requirements/$$name.txt; \
	done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two steps, so that `make up` does not wait for the tools of developers.
$(VENV)/.bootstrapped: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tidegauge needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Preparing the environment in $(VENV) (about 20 s with a warm package cache) ..."
	@$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

# uv is quick and reads no pip configuration; where an index is configured for pip alone, pip does it.
install = $(BIN)/uv pip install -q --system-certs --python $(BIN)/python $(1) || \
          $(BIN)/pip install -q --disable-pip-version-check $(1)

$(APP_STAMP): $(VENV)/.bootstrapped requirements/app.txt
	@$(call install,--require-hashes -r requirements/app.txt)
	@$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(STAMP): $(APP_STAMP) requirements/dev.txt
	@$(call install,--require-hashes -r requirements/dev.txt)
	@touch $@
