# Everything stays inside the clone: .tools (uv), .venv (Python), .stack (state of the servers), .cache (jars).
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .tools/uv/bin/uv
BIN := .venv/bin
PARSER := deploy/schemas/asyncapi-check
# What the wheel (subscriber) and the images contain.
PINNED := $(addprefix requirements/,subscriber.txt serving.txt training.txt triton.txt) deploy/containers/triton-25.07.txt
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup setup-dev demo up down check check-asyncapi docs format test test-unit test-integration test-crash bench sbom audit lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 28

$(UV):
	$(PYTHON) -m venv .tools/uv
	.tools/uv/bin/pip --quiet --disable-pip-version-check install uv==$(UV_VERSION)

.venv/pyvenv.cfg: | $(UV)
	$(UV) venv --quiet --python $(PYTHON) .venv

.venv/.serving: requirements/stack.txt pyproject.toml | .venv/pyvenv.cfg
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/stack.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.serving
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.docs: requirements/docs.txt | .venv/pyvenv.cfg
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/docs.txt
	@touch $@

setup: .venv/.serving ## Install the services and the local stack (without torch)

setup-dev: .venv/.dev ## Install everything: tests, linters, training

demo: setup ## Run 60 simulated specimens through the real stack and show the calls
	xray demo

up: setup ## Start Kafka, SeaweedFS, Triton and PostgreSQL as local processes
	xray stack up

down: ## Stop the local stack
	xray stack down

check: setup-dev check-asyncapi ## Check lint, format, types and contracts, as CI does
	ruff check .
	ruff format --check .
	mypy
	python -m deploy.schemas --check

check-asyncapi: ## Check the AsyncAPI document with AsyncAPI's own parser, if Node.js is installed
	@if ! command -v node > /dev/null; then echo "AsyncAPI's parser did not run: it needs Node.js"; exit; fi; cd $(PARSER) && \
	if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then npm ci --ignore-scripts; fi && node check.js ../asyncapi.json

docs: .venv/.docs ## Build the site of docs/ into build/site; a broken link fails
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

format: setup-dev ## Apply the formatter and the safe lint fixes
	ruff format .
	ruff check --fix .

# Threads of torch that share a processor with another process spend most of their time waiting for each other.
test-unit test-integration test-crash: export OMP_NUM_THREADS = 1

test: test-unit test-integration test-crash ## Run every test

test-unit: setup-dev ## Run the fast tests, which need no servers
	pytest --numprocesses 2 -m "not integration and not crash"

test-integration: setup-dev ## Run the tests on the real servers
	pytest --numprocesses 2 --dist loadfile -m integration

test-crash: setup-dev ## Run the tests that kill real processes
	pytest --numprocesses 2 --dist loadfile -m crash

bench: setup ## Measure the pipeline against a bare in-process loop
	xray bench

.tools/audit/.complete: requirements/audit.txt | $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .tools/audit
	$(UV) pip install --quiet --python .tools/audit/bin/python --require-hashes -r requirements/audit.txt
	@touch $@

sbom: .tools/audit/.complete ## List the Python packages of the wheel and of each image in build/sbom (CycloneDX)
	@mkdir -p build/sbom
	@$(foreach set,$(PINNED),.tools/audit/bin/cyclonedx-py requirements $(set) --output-file build/sbom/$(notdir $(set:.txt=.json)) &&) echo build/sbom

audit: .tools/audit/.complete ## Look up every pinned package in the database of known vulnerabilities (needs the internet)
	@$(foreach set,$(PINNED),.tools/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement $(set) &&) true

lock: $(UV) ## Pin all dependencies again, with hashes
	UV=$(UV) requirements/lock

clean: ## Stop the local stack and remove everything that this Makefile created
	-$(BIN)/xray stack down
	rm -rf .venv .tools .stack .cache .demo build
