# `make help` lists what there is. Every target sets up what it needs; nothing is installed by hand.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
RESULTS := reports/allure-results
OPTIONS ?=
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help bench performance test test-e2e test-kill lint format types overhead bench-scoring bench-store bench-throughput bench-schedule bench-worker bench-leak bench-pool bench-service-index bench-service bench-service-memory bench-service-load gpu-package bench-gpu gate-aa gate-power report constraints clean

help: ## Show this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"Model Lab needs Python 3.11 to 3.13, this is {v[0]}.{v[1]}: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[all,dev]'
	@node --version 2>/dev/null | grep -qE '^v(2[0-9]|[3-9][0-9])' || $(BIN)/pip install --quiet -c constraints.txt -e '.[node]'
	@touch $@

bench: $(STAMP) ## Measure: fetch weights and speech, run both lanes into one run, write the report (OPTIONS="--model ...")
	@rm -rf $(RESULTS)
	@$(BIN)/modellab fetch
	@status=0; stopped() { [ $$status -ge 2 ] && [ $$status -le 4 ]; }; \
	$(BIN)/pytest benchmarks -m accuracy -n $(WORKERS) --alluredir $(RESULTS) $(OPTIONS) || status=$$?; \
	stopped || $(BIN)/pytest benchmarks -m timing -n 0 --alluredir $(RESULTS) --run-dir runs/latest $(OPTIONS) || status=$$?; \
	stopped || $(BIN)/modellab report runs/latest --allure-results $(RESULTS) || status=$$?; \
	exit $$status

PERFORMANCE ?= reports/performance.md

performance: $(STAMP) ## Measure what deployment meets: latency, throughput, rate, streams, memory (OPTIONS="--model ...")
	@$(BIN)/modellab fetch
	@$(BIN)/pytest benchmarks -m performance -n 0 --unbudgeted $(OPTIONS); status=$$?; \
	[ $$status -le 1 ] && $(BIN)/modellab performance --output $(PERFORMANCE) && exit $$status

report: $(STAMP) ## Write the report of the newest run again
	@$(BIN)/modellab report runs/latest --allure-results $(RESULTS)

overhead: $(STAMP) ## Measure what the harness costs against a bare loop over the same model
	@$(BIN)/python benchmarks/overhead.py

bench-scoring: $(STAMP) ## Measure what scoring costs against a plain loop over openai-whisper's normaliser and jiwer
	@$(BIN)/python benchmarks/scoring.py

bench-store: $(STAMP) ## Measure what summarising a run of 1,000,000 records takes, in seconds and memory
	@$(BIN)/python benchmarks/store.py

bench-throughput: $(STAMP) ## Measure how much sooner the accuracy lane hears a corpus than a plain loop
	@$(BIN)/python benchmarks/throughput.py

bench-schedule: $(STAMP) ## Measure whether requests by chance are sent when they are due, against a loop that sleeps
	@$(BIN)/python benchmarks/schedule.py

bench-worker: $(STAMP) ## Measure what a model in a process of its own costs against one in this process
	@$(BIN)/python benchmarks/worker.py

bench-leak: $(STAMP) ## Measure whether memory grows over 200 transcriptions and 20 reloads, beside bare loops and a planted leak
	@$(BIN)/python benchmarks/leak.py $(OPTIONS)

bench-pool: $(STAMP) ## Measure whether 200 loads and unloads through a model pool leave memory behind, beside a planted leak
	@$(BIN)/python benchmarks/pool.py $(OPTIONS)

bench-service: $(STAMP) ## Measure what transcription through the server costs, alone and for eight callers
	@$(BIN)/python benchmarks/service.py $(OPTIONS)

bench-service-index: $(STAMP) ## Measure what browsing 10,000 runs costs: the index, and a page of the list through a server
	@$(BIN)/python benchmarks/service_index.py $(OPTIONS)

bench-service-memory: $(STAMP) ## Measure whether 5,000 requests and 200 swaps of models leave memory behind, beside a planted leak
	@$(BIN)/python benchmarks/service_memory.py $(OPTIONS)

bench-service-load: $(STAMP) ## Have fifty users ask a server for two minutes; nothing but "later" may fail
	@$(BIN)/python benchmarks/service_load.py $(OPTIONS)

GPU ?= build/gpu
SPEECH ?=

gpu-package: $(STAMP) ## Pack what bench-gpu needs on a machine without a network: build/gpu (SPEECH=PATH_OF_A_CORPUS)
	@$(BIN)/python benchmarks/gpu_package.py --into $(GPU) $(if $(SPEECH),--speech '$(SPEECH)') $(OPTIONS)

ifneq ($(wildcard $(STAMP)),)
bench-gpu: GPU_PYTHON := $(BIN)/python
else
bench-gpu: GPU_PYTHON := PYTHONPATH=$(CURDIR):$(abspath $(GPU)/site) $(PYTHON)
bench-gpu: $(GPU)/site
endif
bench-gpu: ## Measure on a CUDA machine what gpu-package packed; needs no network (PYTHON=one with torch and transformers)
	@$(GPU_PYTHON) benchmarks/gpu.py --package $(GPU) $(OPTIONS)

$(GPU)/site: $(wildcard $(GPU)/wheels/*.whl)
	@rm -rf $@
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-compile --target $@ $(GPU)/wheels/*.whl
	@touch $@

gate-aa: $(STAMP) ## Prove that the gate does not cry wolf: 300 decisions on identical code, in hours (OPTIONS="--minutes N")
	@$(BIN)/python benchmarks/gate_aa.py $(OPTIONS)

gate-power: $(STAMP) ## Prove that the gate does not sleep: slowdowns and wrong words are injected (OPTIONS="--minutes N")
	@$(BIN)/python benchmarks/gate_power.py $(OPTIONS)

test-kill: $(STAMP) ## Kill a run 50 times at random moments and go on with it
	@MODELLAB_KILLS=50 $(BIN)/pytest tests/integration/plugin/test_resume.py -k random_moments

test: $(STAMP) ## Run the project's tests, but for those that need a browser
	@echo "Left out: the tests that need a browser (make test-e2e)."
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder  # what a file makes is made once; long files first

test-e2e: $(STAMP) ## Run the tests that need a browser
	@$(BIN)/pytest tests/e2e

lint: $(STAMP) ## Check style, types, definitions and workflows
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml

format: $(STAMP) ## Write the code in the house's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

constraints: ## Pin every dependency anew, as of today
	rm -rf $(VENV)-pins && $(PYTHON) -m venv $(VENV)-pins
	$(VENV)-pins/bin/pip install --quiet --disable-pip-version-check -e '.[all,dev,node]'
	$(VENV)-pins/bin/pip freeze --exclude-editable | sed -E 's/\+cpu$$//' | sort -f > constraints.txt
	rm -rf $(VENV)-pins

clean: ## Remove the environment, caches and everything generated; runs stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist reports/allure-results reports/site
