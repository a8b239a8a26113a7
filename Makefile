# Everything a fresh machine needs, from nothing but Python 3.11+, git and make.
# torch comes in its CPU build (under 300 MB) from PyTorch's own index where that can be reached;
# set TORCH_INDEX to another mirror, or to nothing for pip's default index.

PYTHON ?= python3
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell sed -n 's/^ *"torch==\(.*\)",/\1/p' pyproject.toml)
VENV ?= .venv
BIN := $(VENV)/bin
WHEELS := build/wheel
SOURCES := $(shell find release_tool -type f -not -name '*.pyc') pyproject.toml README.md LICENSE
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
FUZZ_SECONDS ?= 60
CONFORMANCE_DIR ?=
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
UPSTREAM_DIR ?=
CHECKPOINT ?=
PINNED ?=

.PHONY: rehearse test check lint types workflows bench fuzz test-interop test-real docs clean

rehearse: $(VENV)/.rehearse ## the whole chain against stand-ins on this machine
	$(BIN)/release-tool rehearse $(if $(PINNED),--pinned) $(if $(UPSTREAM_DIR),--upstream-dir $(UPSTREAM_DIR)) \
	  $(if $(CHECKPOINT),--checkpoint $(CHECKPOINT) --unpinned-checkpoint)

test: $(VENV)/.dev ## the test suite, against the built wheel
	$(BIN)/coverage erase
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=
	$(BIN)/coverage report

check: lint types workflows test ## everything that CI asks for

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

workflows: $(VENV)/.dev
	set -- $$(ls .github/workflows/*.yml 2>/dev/null); [ $$# -eq 0 ] || { \
	  $(BIN)/zizmor --offline --quiet --persona pedantic .github && \
	  $(BIN)/jactionlint --no-hints && \
	  $(BIN)/check-jsonschema --builtin-schema vendor.github-workflows "$$@" && \
	  $(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml; }

bench: $(VENV)/.dev ## speed and memory, rivals side by side
	$(BIN)/python tests/bench/run.py

fuzz: $(VENV)/.dev ## every reader of untrusted bytes, FUZZ_SECONDS each; every small change of bundles, FUZZ_STRIDE=N sparser
	$(BIN)/python tests/fuzz/run.py $(FUZZ_SECONDS)
	$(BIN)/python -m tests.fuzz.survivors $(CONFORMANCE_DIR)

test-interop: $(VENV)/.dev ## other clients' bundles here, ours there: sigstore-js, cosign, gh
	sh tests/interop/run.sh $(BIN)
	sh tests/interop/releases.sh $(BIN)
	[ -z "$(CONFORMANCE_DIR)" ] || $(BIN)/python tests/interop/conformance.py --suite $(CONFORMANCE_DIR)

test-real: $(VENV)/.dev ## the trained network the whole way; UPSTREAM_DIR, or a network, for the checkout
	UPSTREAM_DIR="$(UPSTREAM_DIR)" $(BIN)/pytest tests/real

docs: $(VENV)/.dev ## what is generated from the code: schemas and the README's tables
	$(BIN)/python tests/docs/test_generated.py

clean:
	rm -rf $(VENV) build dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) "hatchling>=1.27" "build>=1.3"
	touch $@

$(VENV)/.torch: $(VENV)/.python pyproject.toml
	[ -n "$(TORCH_INDEX)" ] && $(PIP) --no-deps --retries 1 --timeout 15 \
	  --index-url $(TORCH_INDEX) "torch==$(TORCH)" 2>/dev/null || $(PIP) "torch==$(TORCH)"
	touch $@

$(WHEELS)/.built: $(VENV)/.python $(SOURCES)
	rm -rf $(WHEELS)
	$(BIN)/python -m build --wheel --no-isolation --outdir $(WHEELS) . >/dev/null
	touch $@

$(VENV)/.export: $(VENV)/.torch pyproject.toml | $(WHEELS)/.built
	$(PIP) "$$(echo $(WHEELS)/*.whl)[export]"
	touch $@

$(VENV)/.tools: $(VENV)/.export pyproject.toml | $(WHEELS)/.built
	$(PIP) "$$(echo $(WHEELS)/*.whl)[export,dev]"
	touch $@

# Later changes of the sources need no network: only the wheel itself is laid anew.
$(VENV)/.rehearse: $(VENV)/.export $(WHEELS)/.built
	$(PIP) --no-deps --force-reinstall $(WHEELS)/*.whl
	touch $@

$(VENV)/.dev: $(VENV)/.tools $(VENV)/.rehearse
	touch $@
