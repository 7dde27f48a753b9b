# `make` lists the targets. `make run` shows the whole system at work on this machine, `make test` tests it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DYNAMODB_LOCAL := .cache/dynamodb-local
DAP_CLIENT := .cache/dap-client

PYTHON313 ?= python3.13

# The tests start hundreds of Python processes, and without bytecode each of them would compile its libraries again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run dashboard unit test prove soak bench simulate docs check generate lock release dynamodb-local dap-client clean
.SILENT:

help:  ## list the targets
	printf 'Targets:\n'
	awk -F ':.*  ## ' '/^[a-z0-9-]+:.*  ## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	printf '\nExamples:\n'
	printf '  %s\n' \
	  'make run KEEP=1 FAMILIES=submissions,activity' \
	  "make test ARGS='-k order'" \
	  'make prove EXAMPLES=200' \
	  'make soak EVENTS=20000 SEED=7' \
	  'make install PYTHON=python3.13'

install: $(VENV)/installed  ## install what the other targets need

run: $(VENV)/installed  ## run the system with sample events
	$(BIN)/canvas-events run $(if $(KEEP),--keep) $(if $(FAMILIES),--families '$(FAMILIES)')

dashboard: $(VENV)/installed  ## write the last run's dashboard.html
	$(BIN)/canvas-events dashboard

# In several processes, each module in one of them, since its tests share what takes long to start. With CI set, pytest
# would print differences at full length.
# Two processes more than there are cores, since many tests wait for a local stack.
PROCESSES = $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 2)')
PYTEST = env -u CI -u BUILD_NUMBER $(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadscope --no-loadscope-reorder

# The tests that start no engine and no stack: in about half a minute on two cores.
unit: $(VENV)/installed  ## run the tests that need no engine
	$(PYTEST) tests/unit $(ARGS)

# The tests against DynamoDB Local need Java, and npm to download it; otherwise they are skipped with a message.
test: $(VENV)/installed $(if $(shell command -v java && command -v npm),$(DYNAMODB_LOCAL)/DynamoDBLocal.jar)  ## run all tests
	$(PYTEST) $(ARGS)

# The property tests with random examples, where `make test` uses the same examples every time. A failure is printed as
# the smallest failing example, with a line that reproduces it; the seed repeats the whole search.
prove: SEED := $(or $(SEED),$(shell date +%s))
prove: $(VENV)/installed $(DYNAMODB_LOCAL)/DynamoDBLocal.jar  ## search for failures, for hours
	echo "To repeat this search: make prove SEED=$(SEED)$(if $(EXAMPLES), EXAMPLES=$(EXAMPLES))"
	HYPOTHESIS_PROFILE=search $(if $(EXAMPLES),EXAMPLES=$(EXAMPLES)) $(PYTEST) -m hypothesis --hypothesis-seed $(SEED) $(ARGS)

soak: $(VENV)/installed  ## process events despite injected faults
	$(BIN)/python -m tests.guarantees.soak $(if $(EVENTS),--events $(EVENTS)) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/installed  ## measure speed against other handlers
	PYTHON313=$(PYTHON313) $(BIN)/python -m tests.benchmarks

docs: $(VENV)/installed  ## build the documentation in build/docs
	$(BIN)/mkdocs build --quiet
	echo "Open build/docs/index.html."

simulate: $(VENV)/installed  ## simulate the busiest day of a term
	$(BIN)/python -m cli.cost.document

check: $(VENV)/installed  ## lint, types and generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/canvas-events generate --check

generate: $(VENV)/installed  ## update generated files
	$(BIN)/canvas-events generate

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-header --no-annotate --no-emit-index-url --upgrade
lock: $(VENV)/installed  ## upgrade the locked dependencies
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --constraint requirements-dev.txt --output-file package/requirements.txt

# With the Python of the functions, which compiles their packages.
release:  ## write a release into dist/
	$(PYTHON313) -m cli.packaging.release

# Amazon's own DynamoDB Local, from an npm package that contains it.
dynamodb-local: $(DYNAMODB_LOCAL)/DynamoDBLocal.jar  ## download DynamoDB Local with npm
$(DYNAMODB_LOCAL)/DynamoDBLocal.jar:
	mkdir -p $(DYNAMODB_LOCAL)
	cd $(DYNAMODB_LOCAL) && npm pack --silent amplify-dynamodb-simulator@2.9.30
	tar -xzf $(DYNAMODB_LOCAL)/amplify-dynamodb-simulator-2.9.30.tgz -C $(DYNAMODB_LOCAL) --strip-components=2 package/emulator
	rm $(DYNAMODB_LOCAL)/amplify-dynamodb-simulator-2.9.30.tgz

# Instructure's own client of Canvas Data 2, in an environment of its own: it pins exact versions of its libraries.
dap-client: $(DAP_CLIENT)/bin/dap  ## install the Canvas Data 2 client
$(DAP_CLIENT)/bin/dap:
	$(PYTHON) -m venv $(DAP_CLIENT)
	$(DAP_CLIENT)/bin/python -m pip install --quiet --disable-pip-version-check instructure-dap-client==2.3.1

$(VENV)/installed: requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make install PYTHON=python3.13")'
	echo "Creating the virtual environment $(VENV) …"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m cli.packaging.install
	touch $@

clean:  ## delete what these targets create
	rm -rf .venv .cache .aws-sam build dist *.egg-info
