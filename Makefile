# The daily commands. `make up` and `make test` need nothing but Python 3.11+ and a package index.

.DEFAULT_GOAL := help
.PHONY: help up down install check test coverage unit contract e2e golden dashboards images mistral killed soak fuzz docs pictures bench wheel compiled test-compiled clean

export PYTHON
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

help:  ## List the commands
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | \
		awk -F ':.*## *' '{ printf "make %-10s %s\n", $$1, $$2 }'

up: .venv/.runtime  ## Install what it needs, start, and stream a first token
	$(BIN)/frontier up $(ARGS)

down: .venv/.runtime  ## Stop what `make up` started
	$(BIN)/frontier down

install: .venv/.dev  ## Prepare for development: dependencies and commit hooks
	@if [ -e .git ] && [ -z "$$(git config core.hooksPath)" ]; then $(BIN)/pre-commit install; fi

check: .venv/.dev docs  ## Formatting, lint, types, layers, changelog, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/towncrier build --draft --version next > /dev/null
	@if git rev-parse --quiet --verify origin/main > /dev/null; then \
		$(BIN)/towncrier check --compare-with origin/main; fi

test: COVERED := 80
test: images  ## All tests, with branch coverage of what they run in their own process
	$(MEASURED_TESTS)

coverage: COVERED := 90
coverage: export FRONTIER_COVERAGE := all
coverage: images  ## All tests, with branch coverage of every process; takes half as long again
	$(MEASURED_TESTS)

define MEASURED_TESTS
$(BIN)/coverage erase
$(BIN)/coverage run -m pytest --numprocesses 2 --dist loadfile $(ARGS)
$(BIN)/coverage combine --quiet
$(BIN)/coverage report --fail-under $(COVERED)
endef

unit: .venv/.dev  ## The quick tests
	$(PYTEST) tests/unit $(ARGS)

contract: images  ## Code, stacks and documentation agree
	$(PYTEST) tests/contract $(ARGS)

e2e: images  ## The real thing: a real engine and a real model
	$(PYTEST) tests/e2e $(ARGS)

images: .venv/.dev  ## The images of the Docker tests, from Debian packages; once per machine
	$(BIN)/python tests/docker_images.py

golden: .venv/.dev  ## Write the rendered files that tests compare with; review them like code
	$(BIN)/python tests/golden_projects.py
	$(BIN)/python docs/memory_tables.py

dashboards: .venv/.dev  ## Write Grafana's dashboards from scripts/dashboards
	PYTHONPATH=scripts $(BIN)/python -m dashboards

mistral: .venv/.dev  ## The real mistral.rs from crates.io; 20 minutes the first time
	$(PYTEST) tests/e2e/mistral_real.py $(ARGS)

killed: images  ## Commands on containers killed at every single step; two hours
	$(PYTEST) tests/e2e/stacks_killed_everywhere.py -s $(ARGS)

soak: .venv/.dev  ## Ten minutes of load on the gateway while engines die and routes change
	FRONTIER_RELOADS=1000 $(PYTEST) -s tests/e2e/test_gateway_keys.py -k reloads_of_keys $(ARGS)
	FRONTIER_SOAK_S=600 $(PYTEST) -s tests/e2e/test_gateway_soak.py $(ARGS)

fuzz: .venv/.dev  ## 200 000 nearly right requests over the gateway's parsers and translators
	FUZZ_REQUESTS=200000 $(PYTEST) tests/e2e/test_gateway_fuzz.py -n0 -s --timeout 3600 $(ARGS)

docs: .venv/.dev  ## The documentation, in docs/_build
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build

pictures: .venv/.dev  ## The pictures of the documentation, from real stacks under load
	$(BIN)/python docs/report_pictures.py
	$(BIN)/python docs/top_pictures.py
	PYTHONPATH=scripts:tests $(BIN)/python docs/dashboard_pictures.py

bench: .venv/.dev  ## Benchmarks with a bound that fails them
	$(BIN)/python benchmarks/startup.py --check
	$(BIN)/python benchmarks/rendering.py --check
	$(BIN)/python benchmarks/start.py --check
	$(BIN)/python benchmarks/validate.py --check
	$(BIN)/python benchmarks/gateway/compare.py

wheel: .venv/.dev  ## The wheel, in dist/
	PATH="$$PATH:$(CURDIR)/$(BIN)" uv build --wheel --quiet

compiled: .venv/.dev  ## The gateway's hot path as machine code, in build/compiled; needs a C compiler
	rm -rf build/compiled
	PATH="$$PATH:$(CURDIR)/$(BIN)" HATCH_BUILD_HOOK_ENABLE_MYPYC=1 \
		uv build --quiet --out-dir build/compiled/dist
	$(BIN)/python -m zipfile -e build/compiled/dist/*.whl build/compiled

test-compiled: compiled  ## The gateway's wire, as machine code, against the tests of the wire
	PYTHONPATH=build/compiled $(BIN)/python -c \
		'from frontier.gateway.wire import relay as r; assert r.__file__.endswith(".so"), r.__file__'
	PYTHONPATH=build/compiled $(PYTEST) --numprocesses 2 --dist loadfile \
		-k "not reloads_of_keys and not thousands" \
		$(foreach what,http relay failures keys answers,tests/e2e/test_gateway_$(what).py) $(ARGS)

clean:  ## Remove what was built and measured; keeps .venv
	rm -rf dist build docs/_build htmlcov .coverage .coverage.* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/.runtime: pyproject.toml uv.lock
	@scripts/venv runtime
	@touch $@

.venv/.dev: pyproject.toml uv.lock
	@scripts/venv dev
	@touch .venv/.runtime $@
