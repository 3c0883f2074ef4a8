# Two commands for people: `make demo` and `make test`. Both set up everything themselves; a second run starts in seconds.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AUDIT := $(VENV)/audit

.PHONY: demo test lint audit release lock system clean

demo: $(READY)
	@$(BIN)/marginalia demo $(ARGS)

test: $(READY) system
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/mypy

# bandit, detect-secrets and pip-audit; ARGS=--strict fails where the advisories can't be reached.
audit: $(AUDIT)/.ready
	@$(AUDIT)/bin/python .ci/audit.py $(ARGS)

# dist/: wheel, sources, SBOM (CycloneDX), hashes of the model's files and of all of these.
release: $(AUDIT)/.ready
	@$(AUDIT)/bin/python .ci/release.py $(ARGS)

$(AUDIT)/.ready: .ci/audit-requirements.txt
	@test -x $(AUDIT)/bin/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install --disable-pip-version-check -q -r .ci/audit-requirements.txt
	@touch $(AUDIT)/.ready

$(READY): pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null 2>&1 || { command -v python3 >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } || \
	  { echo "Python 3.11 or newer is needed: install it (Debian and Ubuntu: apt-get install python3 python3-venv) and run make again." >&2; exit 1; }
	@echo "Setting up the virtual environment ($(VENV)); the first time takes some minutes." >&2
	@test -x $(BIN)/python || $$(command -v $(PYTHON) || command -v python3) -m venv $(VENV) || { echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -q -r requirements.lock
	@$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps -e .
	@touch $(READY)

# A browser and PostgreSQL are for the tests only.
system:
	@sh .ci/system-packages

# Pin what pyproject.toml allows; run after changing dependencies.
lock:
	@$(BIN)/python -m pip install -q pip-tools
	@$(BIN)/pip-compile -q --strip-extras --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --extra dev --extra demo -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) build dist *.egg-info
