# The two commands: `make run` shows the whole system at work on this machine, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DYNAMODB_LOCAL := .cache/dynamodb-local

SAM ?= sam
PYTHON313 ?= python3.13

.PHONY: run dashboard test prove soak build bench check generate lock dynamodb-local clean

run: $(VENV)/installed  ## the template in MiniStack here, with sample events: make run KEEP=1 FAMILIES=submissions,activity
	$(BIN)/canvas-events run $(if $(KEEP),--keep) $(if $(FAMILIES),--families '$(FAMILIES)')

dashboard: $(VENV)/installed  ## write dashboard.html: the dashboard of template.yaml with the data of the last run
	$(BIN)/canvas-events dashboard

# In several processes, a module in one of them, since its tests share what takes long to start. Where CI is set, pytest
# would print what differs without end.
PYTEST := env -u CI -u BUILD_NUMBER $(BIN)/python -m pytest --numprocesses logical --dist loadscope --no-loadscope-reorder

# The tests against DynamoDB Local need Java, and npm to fetch it with; those of the dashboard's page need Chromium.
# Otherwise they are skipped with a message.
test: $(VENV)/installed $(if $(shell command -v java && command -v npm),$(DYNAMODB_LOCAL)/DynamoDBLocal.jar)  ## all tests: make test ARGS='-k order'
	$(PYTEST) $(ARGS)

# The property tests with random examples, where `make test` tries the same ones every time. What fails is printed as
# the smallest example that fails, with a line that reproduces it; the seed repeats the whole search.
prove: SEED := $(or $(SEED),$(shell date +%s))
prove: $(VENV)/installed $(DYNAMODB_LOCAL)/DynamoDBLocal.jar  ## random search for failures, for hours: make prove EXAMPLES=200
	@echo "To repeat this search: make prove SEED=$(SEED)$(if $(EXAMPLES), EXAMPLES=$(EXAMPLES))"
	HYPOTHESIS_PROFILE=search $(if $(EXAMPLES),EXAMPLES=$(EXAMPLES)) $(PYTEST) -m hypothesis --hypothesis-seed $(SEED) $(ARGS)

soak: $(VENV)/installed  ## thousands of events end to end, with a proxy full of faults: make soak EVENTS=20000 SEED=7
	$(BIN)/python -m tests.promise.soak $(if $(EVENTS),--events $(EVENTS)) $(if $(SEED),--seed $(SEED))

# The libraries' wheels carry no bytecode and much that no function needs, and Lambda cannot write what it compiles.
build: $(VENV)/installed  ## what `sam deploy` takes; for x86_64: make build ARCHITECTURE=x86_64
	$(SAM) build $(if $(ARCHITECTURE),--parameter-overrides Architecture=$(ARCHITECTURE))
	$(PYTHON313) -m compileall -q --invalidation-mode unchecked-hash .aws-sam/build
	$(BIN)/python -m cli.packaging.slim_package

bench: $(VENV)/installed  ## how fast it is, as ratios: against the usual handler, and against what boto3 alone takes
	PYTHON313=$(PYTHON313) $(BIN)/python -m tests.speed

check: $(VENV)/installed  ## lint, types, generated files up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/canvas-events generate --check

generate: $(VENV)/installed  ## schemas, template and sample invocations, after a change of schemas/catalogue or events/samples
	$(BIN)/canvas-events generate

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-header --no-annotate --no-emit-index-url --upgrade
lock: $(VENV)/installed  ## the newest versions of all dependencies
	$(COMPILE) pyproject.toml --group dev --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml --constraint requirements-dev.txt --output-file package/requirements.txt

# Amazon's own DynamoDB Local, as an npm package carries it.
dynamodb-local: $(DYNAMODB_LOCAL)/DynamoDBLocal.jar
$(DYNAMODB_LOCAL)/DynamoDBLocal.jar:
	mkdir -p $(DYNAMODB_LOCAL)
	cd $(DYNAMODB_LOCAL) && npm pack --silent amplify-dynamodb-simulator@2.9.30
	tar -xzf $(DYNAMODB_LOCAL)/amplify-dynamodb-simulator-2.9.30.tgz -C $(DYNAMODB_LOCAL) --strip-components=2 package/emulator
	rm $(DYNAMODB_LOCAL)/amplify-dynamodb-simulator-2.9.30.tgz

$(VENV)/installed: requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.13 …")'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing what it needs into $(VENV) (once) …"
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@# The command canvas-events; all that it needs is installed by now, setuptools too.
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf .venv .cache .aws-sam
