# A fresh machine needs Python 3.11 or newer and make. `make` alone lists what there is.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PORT ?= 8000
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install -qq
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --group build \
	--generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet
# Compiled here and now, since a Python that is told to write no bytecode would compile it all at each start.
INSTALL_SELF := $(PIP_INSTALL) --no-deps --no-build-isolation --editable . && \
	$(BIN)/python -m pip --disable-pip-version-check check && $(BIN)/python -m compileall -q -j 0 .venv/lib src
CATALOGUES := src/doorward/i18n/locale
CODE := src tests supply $(wildcard bench)
# Each process has a PostgreSQL and a browser of its own, so there is an end to what helps.
ON_ALL_CORES := -n logical --maxprocesses=8 --dist=loadfile
# What is built from a commit bears its date.
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct))

# What is measured is what docs/run.md recommends. The benchmark names the library that it found.
NATIVE_IF_POSSIBLE = $(BIN)/python -c 'from doorward.hashing import native as n; exit(not n.is_usable())' || \
	$(MAKE) native || echo "Measuring without make native." >&2

.PHONY: help install native otel run test format messages lock upgrade wheel sbom audit bench bench-peers soak bench-size fuzz timing \
	guessing faults mutants cluster container gallery clean

help: ## Print this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

install: .venv/installed ## Make .venv with everything the service needs, at the locked versions
	@echo "Installed: $(BIN)/doorward"

# Built anew each time: this machine's processor is what it is for. Of this source clang makes code a tenth faster than gcc's.
native: .venv/installed ## Build Argon2id for this machine's processor: logins cost about half (needs a C compiler; clang is best)
	@{ command -v clang cc && test -e "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"; } >/dev/null || { \
		echo "A C compiler or Python's headers are missing: install them (Debian: apt-get install gcc python3-dev), then run make native again." >&2; exit 1; }
	@echo "== Build Argon2id for this processor"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-native.lock
	@CC=$${CC:-$$(command -v clang cc | head -1)} CFLAGS="-O3 -march=native" $(PIP_INSTALL) --require-hashes --no-deps --no-build-isolation \
		--no-cache-dir --force-reinstall --no-binary argon2-cffi-bindings -r <(sed -n '/^argon2-cffi-bindings==/,/# via/p' requirements-native.lock)
	@$(BIN)/python -c 'from doorward.hashing import native as n; assert n.is_usable()'

otel: .venv/installed ## Install what traces need (docs/tracing.md)
	@echo "== Install, with OpenTelemetry"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-otel.lock

run: .venv/installed ## Start the service for a first look
	@$(BIN)/doorward dev --port $(PORT)

test: .venv/installed-dev ## Run the whole gate: format, lint, types, layers, every test
	@echo "== Format"
	@$(BIN)/ruff format --check
	@echo "== Lint"
	@$(BIN)/ruff check
	@echo "== Types"
	@$(BIN)/mypy $(CODE)
	@echo "== Layers"
	@$(BIN)/lint-imports --no-logo
	@echo "== Browser"
	@scripts/ensure-chromium
	@echo "== Tests"
	@$(BIN)/pytest $(ON_ALL_CORES)

format: .venv/installed-dev ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

messages: .venv/installed-dev ## Bring the catalogues of translations up to date with the code, and compile them
	@$(BIN)/pybabel -q extract -F pyproject.toml -k N_ --add-location=file --sort-output --project=Doorward --version=1 --msgid-bugs-address= \
		--copyright-holder=Doorward -o .venv/doorward.pot src/doorward
	@$(BIN)/pybabel -q update -i .venv/doorward.pot -d $(CATALOGUES) -D doorward -w 120 --no-fuzzy-matching \
		--ignore-obsolete --ignore-pot-creation-date
	@$(BIN)/pybabel compile -d $(CATALOGUES) -D doorward --statistics

lock: .venv/installed-dev ## Lock what pyproject.toml asks for, keeping the versions that still fit
	@echo "== Locks"
	@$(COMPILE) $(LOCK_FLAGS) --output-file requirements.lock
	@$(COMPILE) $(LOCK_FLAGS) --group dev --extra otel --constraints requirements.lock --output-file requirements-dev.lock
	@$(COMPILE) $(LOCK_FLAGS) --extra otel --constraints requirements-dev.lock --output-file requirements-otel.lock
	@$(COMPILE) $(LOCK_FLAGS) --group native --constraints requirements-dev.lock --output-file requirements-native.lock
	@$(COMPILE) $(LOCK_FLAGS) --group bench --constraints requirements-dev.lock --output-file requirements-bench.lock
	@if grep -n '://' requirements*.lock; then echo "A lock must hold no address." >&2; exit 1; fi

upgrade: LOCK_FLAGS := --upgrade
upgrade: lock ## Lock the newest versions that pyproject.toml allows

# Of the commit, whatever else lies in the folder. The same commit gives the same bytes, with the same zlib.
wheel: .venv/installed ## Build dist/doorward-VERSION-py3-none-any.whl from the last commit
	@rm -rf build/wheel
	@mkdir -p build/wheel dist
	@git archive HEAD | tar -x -C build/wheel
	@SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m flit_core.wheel --outdir dist build/wheel
	@sha256sum dist/*.whl

sbom: .venv/installed-dev ## Write down what an installation holds: dist/doorward.cdx.json (CycloneDX)
	@mkdir -p dist
	@SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m supply.sbom >dist/doorward.cdx.json
	@echo "Written: dist/doorward.cdx.json"

audit: .venv/installed-dev ## Ask what is known against what is locked, and for how long (OSV=URL of a database in reach)
	@$(BIN)/python -m supply.audit $(if $(OSV),--database $(OSV))

bench: .venv/installed-dev ## Run the benchmark (Argon2id as by make native, where there is a compiler)
	@$(NATIVE_IF_POSSIBLE)
	@$(BIN)/python -m bench $(ARGS)

bench-peers: .venv/installed-bench ## Measure others of its kind beside Doorward (ten minutes)
	@$(NATIVE_IF_POSSIBLE)
	@$(BIN)/python -m bench.peers $(ARGS)

soak: .venv/installed-bench ## Run at half load for half an hour: does anything grow? (ARGS="--database postgresql")
	@$(BIN)/python -m bench.soak $(ARGS)

bench-size: .venv/installed-dev ## Measure a million users against a thousand (half an hour; ARGS=--write)
	@$(BIN)/python -m bench.size $(ARGS)

fuzz: .venv/installed-dev ## Run the tests that draw their input, at random and for long
	@$(BIN)/pytest -m hypothesis --hypothesis-profile=fuzz

timing: .venv/installed-dev ## Compare how long known and unknown accounts take (half an hour; ARGS=--write)
	@$(BIN)/python -m tests.timing $(ARGS)

guessing: .venv/installed-dev ## Simulate guessing attacks by the day, with a clock that is turned (ARGS=--write)
	@$(BIN)/python -m tests.guessing $(ARGS)

faults: .venv/installed-dev ## Kill, fill, break and turn back at each step of each flow, and audit (half an hour; ARGS=--write)
	@$(BIN)/python -m tests.faults $(ARGS)

mutants: .venv/installed-dev ## Break the code on purpose and see that the tests tell; about a quarter of an hour
	@$(BIN)/python -m tests.mutations

cluster: .venv/installed-dev ## Test many servers: fail-over, PgBouncer, rolling restarts, with Debian's programs
	@scripts/ensure-cluster
	@$(BIN)/pytest tests/cluster

container: .venv/installed-dev ## Build the image, run it and log in, as docs/operations.md says (needs Podman; ARGS are for podman build)
	@command -v podman >/dev/null || { \
		echo "make container needs Podman: install it (Debian: sudo apt-get install podman), then run it again." >&2; exit 1; }
	@BUILD_ARGS="$(ARGS)" $(BIN)/pytest tests/container

gallery: .venv/installed-dev ## Take the pictures of docs/gallery.md anew: every page and mail, light and dark
	@scripts/ensure-chromium
	@$(BIN)/python -m tests.gallery

clean: ## Remove .venv and all caches; data in .doorward stays
	@rm -rf .venv .peers .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	@find $(CODE) -name __pycache__ -prune -exec rm -rf {} +

# What is installed is as new as its stamp. The lock is complete, so nothing is resolved, only checked afterwards.
.venv/installed: requirements.lock pyproject.toml | .venv/bin/pip
	@echo "== Install (a minute or two)"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements.lock
	@$(INSTALL_SELF)
	@touch $@

.venv/installed-dev: requirements-dev.lock requirements.lock pyproject.toml | .venv/bin/pip
	@echo "== Install, with the tools of development"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-dev.lock
	@$(INSTALL_SELF)
	@touch .venv/installed $@

.venv/installed-bench: requirements-bench.lock .venv/installed-dev
	@echo "== Install, with what draws"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-bench.lock
	@touch $@

# pip comes last into a new environment: where it is, the environment is whole.
.venv/bin/pip:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Doorward needs Python 3.11 or newer as python3: install it, then run make again." >&2; exit 1; }
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "python3 lacks its venv module: install it (Debian: apt-get install python3-venv), then run make again." >&2; \
		exit 1; }
	@python3 -m venv --clear .venv
