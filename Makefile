# Two commands for a fresh machine with Python 3.11 or later: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check --no-input

.PHONY: help demo test check bench peers performance painel oracle soak vm hass lock openapi pictures vendor clean install uninstall deb
help:
	@echo "make demo    a weather station on emulated chips, here and now; Ctrl-C stops it"
	@echo "make test    every check and every test"
	@echo "make check   style, types and the doors between rooms"
	@echo "make bench   figures: throughput, idle, backlog, card, lateness, panel, beside others, growth, instructions"
	@echo "make peers   the programs that weatherd is measured beside, into build/; as root those of Debian"
	@echo "make performance  docs/performance.md anew; as root"
	@echo "make painel  the saved objects of Kibana's Painel do Clima, from config/elk/kibana/painel.py"
	@echo "make oracle  derived quantities beside those of MetPy and psychrolib, which it installs (464 MB)"
	@echo "make soak    every fault, also those that take minutes, with figures; as root"
	@echo "make vm      the station on a real kernel, in a machine of qemu, whose plug is pulled, too; as root (CUTS=20; WANTED=network)"
	@echo "make hass    the station beside a real Home Assistant, the newest and the oldest that it is for, which it installs (2.4 GB); as root"
	@echo "make install the daemon on this machine, or its upgrade; as root (make uninstall keeps configuration and journal)"
	@echo "make deb     a Debian package, in build/"
	@echo "make lock    requirements.lock anew: what the image installs, of today, with hashes"
	@echo "make openapi the description of the API as JSON, from weatherd/panel/openapi.yaml"
	@echo "make pictures  those of the panel in docs/, anew; with Debian's chromium and chromium-driver"
	@echo "make vendor  fetch what the page has of others, as pinned in .ci/vendor; with npm"
	@echo "make clean   remove what these made"

demo: $(VENV)/.runtime
	@exec $(BIN)/weatherd demo

# First what computes, then what waits, then what must be alone: what a station owes that is killed when it is busy goes
# by the clock, and beside other tests it would not have its time. All wait now and then, so there is one more at a time
# than there are processors.
SLOW := tests/faults tests/installed
# Hundreds of stations are started, and each process rewrites the tests' asserts: compiled once, not each time.
unexport PYTHONDONTWRITEBYTECODE
AT_ONCE := --numprocesses $(shell expr $$(nproc) + 1) --dist loadfile
test: check
	$(BIN)/python -m pytest $(SLOW:%=--ignore %) $(AT_ONCE)
	$(BIN)/python -m pytest $(SLOW) -m 'not alone' $(AT_ONCE)
	$(BIN)/python -m pytest tests/faults -m alone

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --package weatherd
	MYPYPATH=bench $(BIN)/mypy bench/*.py bench/peers/*.py
	$(BIN)/mypy config/*/*.py
	MYPYPATH=config/elk/kibana $(BIN)/mypy config/elk/kibana/*.py
	$(BIN)/lint-imports

bench: $(VENV)/.runtime
	$(BIN)/python bench/throughput.py
	$(BIN)/python bench/idle.py
	$(BIN)/python bench/backlog.py
	$(BIN)/python bench/card.py
	$(BIN)/python bench/lateness.py
	$(BIN)/python bench/panel.py
	$(BIN)/python bench/compare.py
	$(BIN)/python bench/growth.py
	$(BIN)/python bench/instructions.py

# The page with the figures anew, in half an hour on a machine that does nothing else; as root, for the disk's.
performance: $(VENV)/.runtime peers
	$(BIN)/python bench/compare.py --write
	$(BIN)/python bench/growth.py --write
	$(BIN)/python bench/instructions.py

# What `make bench` is measured beside.
peers:
	@PYTHON=$(PYTHON) bench/peers/fetch

painel: $(BIN)/python
	$(BIN)/python config/elk/kibana/painel.py

oracle: $(VENV)/.runtime
	$(PYTHON) -m venv $(VENV)-oracle
	$(VENV)-oracle/bin/pip install --quiet --disable-pip-version-check metpy psychrolib msgspec
	PYTHONPATH=. $(VENV)-oracle/bin/python bench/oracle.py

soak: $(VENV)/.dev
	$(BIN)/python -m pytest tests/faults --soak

CUTS := 3
WANTED :=
vm: $(VENV)/.dev
	$(BIN)/python -m pytest tests/vm --vm --cuts $(CUTS) $(if $(WANTED),-k "$(WANTED)")

hass: $(VENV)/.dev
	CI=1 $(BIN)/python -m pytest tests/hass --hass $(if $(WANTED),-k "$(WANTED)")

# For every architecture at once; without addresses, so that it holds wherever the packages come from.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet --disable-pip-version-check uv
	$(VENV)-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock' \
	    --output-file requirements.lock setup.cfg

# The station has no parser for YAML, and needs none.
openapi: $(VENV)/.dev
	$(BIN)/python -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout, ensure_ascii=False)' \
	    < weatherd/panel/openapi.yaml > weatherd/panel/openapi.json

pictures: $(VENV)/.dev
	$(BIN)/python -m pytest --quiet tests/panel/test_page.py -k pictures
	cp build/screenshots/panel-desk.png build/screenshots/panel-phone.png docs

vendor:
	.ci/vendor

install uninstall:
	@PYTHON=$(PYTHON) systemd/install $@

deb:
	@PYTHON=$(PYTHON) systemd/package

clean:
	rm -rf $(VENV) $(VENV)-oracle $(VENV)-lock build dist .coverage *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: weatherd needs Python 3.11 or later" >&2; \
	      echo "hint:  name one: make PYTHON=/path/to/python3.11" >&2; exit 69; }
	@$(PYTHON) -m venv $(VENV) || \
	    { echo "error: Python cannot make a virtual environment" >&2; \
	      echo "hint:  on Debian and Raspberry Pi OS: sudo apt install python3-venv" >&2; rm -rf $(VENV); exit 69; }

$(VENV)/.runtime: $(BIN)/python setup.cfg pyproject.toml
	@echo "installing weatherd and what it needs into $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "installing what the tests need into $(VENV)"
	@$(PIP) install --editable '.[dev]'
	@touch $@
