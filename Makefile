# make sim | test | lint | clean ...: each sets up everything that it needs in .venv.
#
# make sim MODEL=... WEIGHTS=... IMAGES=... INPUT_SIZE=... COUNT=... SIM=verilator|icarus
#          PRESET=... JSON=... WAVES=1|FILE.fst LAYER=... CYCLES=FROM:TO
#          MEAN=... STD=... CLASSES=... CALIBRATION=... NAME=...
# make zoo MODEL=... INPUT_SIZE=... PRESET=... JOBS=...
# make report RESULTS="A.json B.json" SYNTH=...
#
# PIP_OPTIONS=... goes to every 'pip install'. PyTorch is the large part of the set-up: from pip's
# default index it comes with GPU libraries, gigabytes of them, which nothing here uses. PyTorch's
# installation page has the option for an index with its CPU builds (docs/cache.md).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: anew help sim report bench zoo bitstream program test lint clean venv lock icarus headers \
	chromium docs examples formal fuzz coverage mutation faults verification

PYTHON ?= python3
VENV := .venv
# A slip of the pen in a name would run the default. Of an outer make the names are its own.
NAMES := ALL BOARD CALIBRATION CLASSES COUNT CYCLES IMAGES INPUT_SIZE JOBS JSON LAYER MEAN MODEL NAME \
	PIP_OPTIONS PRESET PYTHON RESULTS SCHEDULER SEEDS SIM STD SYNTH VENV WAVES WEIGHTS
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(filter-out $(NAMES) $(filter -% MAKE%,$(GIVEN)),$(GIVEN))
$(if $(filter 0,$(MAKELEVEL)),$(if $(UNKNOWN),$(error nothing here is called $(UNKNOWN): choose from $(NAMES))))
# Exact versions, within the bounds of pyproject.toml.
LOCK := requirements.lock
# Set up again when the dependencies change: for 'make sim'; LiteX and the FPGA tools; the documentation's
# site; all that the tests need.
SUM := $(shell cat pyproject.toml $(LOCK) | cksum | cut -d ' ' -f 1)
STAMP := $(VENV)/.stamp-$(SUM)
FPGA_STAMP := $(VENV)/.stamp-fpga-$(SUM)
DOCS_STAMP := $(VENV)/.stamp-docs-$(SUM)
TEST_STAMP := $(VENV)/.stamp-test-$(SUM)
# pip would compile the files of all packages one after the other: 'set-up' does, on all cores.
INSTALL = install -qq --no-compile --disable-pip-version-check $(PIP_OPTIONS)

# NAME counts only where make is given it: some systems have an environment variable NAME.
OPTIONS := $(if $(MODEL),--model '$(MODEL)') $(if $(WEIGHTS),--weights '$(WEIGHTS)') \
	$(if $(IMAGES),--images '$(IMAGES)') $(if $(INPUT_SIZE),--input-size '$(INPUT_SIZE)') \
	$(if $(COUNT),--count '$(COUNT)') $(if $(SIM),--sim '$(SIM)') \
	$(if $(PRESET),--preset '$(PRESET)') $(if $(JSON),--json '$(JSON)') \
	$(if $(WAVES),--waves '$(patsubst 1,build/waves.fst,$(WAVES))') \
	$(if $(LAYER),--layer '$(LAYER)') $(if $(CYCLES),--cycles '$(CYCLES)') \
	$(if $(MEAN),--mean '$(MEAN)') $(if $(STD),--std '$(STD)') \
	$(if $(CLASSES),--classes '$(CLASSES)') $(if $(CALIBRATION),--calibration '$(CALIBRATION)') \
	$(if $(filter command,$(origin NAME)),--name '$(NAME)')
ZOO_OPTIONS := $(foreach name,$(MODEL),--model '$(name)') \
	$(if $(INPUT_SIZE),--input-size '$(INPUT_SIZE)') $(if $(PRESET),--preset '$(PRESET)') \
	$(if $(JOBS),--jobs '$(JOBS)')
BOARD_OPTION := $(if $(BOARD),--board '$(BOARD)')

help:
	@echo "make sim    run ResNet-18 on the RTL and compare it with the golden model"
	@echo "            (MODEL= WEIGHTS= IMAGES= INPUT_SIZE= COUNT= SIM= PRESET= JSON= MEAN= STD="
	@echo "            CLASSES= CALIBRATION= NAME=)"
	@echo "            WAVES=1 LAYER=name: its waveforms, build/waves.fst (or CYCLES=from:to)"
	@echo "make report  page of a result: build/report/report.html (RESULTS= SYNTH=, or sim's options)"
	@echo "make bench  measure whole networks on the RTL (7 to 20 minutes)"
	@echo "make zoo    run every network of the zoo on the RTL at a small input (half an hour or more;"
	@echo "            MODEL= INPUT_SIZE= PRESET= JOBS=)"
	@echo "make bitstream  make a bitstream (BOARD=ulx3s-85f|ulx3s-25f|ecpix5-85f PRESET=)"
	@echo "make program    load it into the board (BOARD=)"
	@echo "make test   run all tests"
	@echo "make formal     prove the properties of the hardware's units (15 minutes)"
	@echo "make fuzz       random networks, programs and memories on the RTL (SEEDS= JOBS= SCHEDULER=)"
	@echo "make coverage   lines, toggles and functions that tests reach: a page (PRESET=)"
	@echo "make mutation   whether small changes to the design are noticed (JOBS=)"
	@echo "make faults     errors, silence, resets, corrupted programs and files"
	@echo "make verification  docs/verification.md, from the last results of all of these"
	@echo "make docs   the documentation as a site: build/docs/index.html"
	@echo "make examples  run the scripts of examples/ (docs/examples.md)"
	@echo "make lint   check style, formatting and types"
	@echo "make clean  delete results (not .venv; builds: resarray doctor --clear-cache)"
	@echo "make lock   renew the exact versions of all packages, requirements.lock"
	@echo "PIP_OPTIONS= for the set-up: options of pip, as for PyTorch's CPU builds (docs/cache.md)"

sim: $(STAMP) $(if $(WAVES),headers)
	@$(VENV)/bin/resarray sim $(OPTIONS)

# Without RESULTS: of build/report/result.json, which is made first where there is none, and again
# where options say of what.
REPORT_RESULT := build/report/result.json
report: $(STAMP) $(if $(RESULTS),,$(REPORT_RESULT))
	@$(VENV)/bin/resarray report $(or $(RESULTS),$(REPORT_RESULT)) $(if $(SYNTH),--synth '$(SYNTH)')

# A mismatch, status 1, is for the report to show.
$(REPORT_RESULT): $(if $(strip $(OPTIONS)),anew) | $(STAMP)
	@$(VENV)/bin/resarray sim $(OPTIONS) --json $@ || [ $$? = 1 ]

bench: $(STAMP)
	@$(VENV)/bin/resarray bench

zoo: $(STAMP)
	@$(VENV)/bin/resarray zoo $(ZOO_OPTIONS)

bitstream: $(FPGA_STAMP)
	@$(VENV)/bin/resarray bitstream $(BOARD_OPTION) $(if $(PRESET),--preset '$(PRESET)')

program: $(STAMP)
	@$(VENV)/bin/resarray program $(BOARD_OPTION)

# Its generated pages and pictures are committed; tests/docs compares them.
docs: $(DOCS_STAMP)
	@$(VENV)/bin/python docs/site/reference.py
	@$(VENV)/bin/python docs/site/pictures.py
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
	@echo "build/docs/index.html"

examples: $(FPGA_STAMP) headers
	@$(VENV)/bin/python examples/run.py

# The campaigns of the verification plan (docs/verification.md), each with options of its own.
formal fuzz coverage mutation faults: $(TEST_STAMP) icarus
	@$(VENV)/bin/python -m resarray.verification.$@ $(if $(SEEDS),--seeds '$(SEEDS)') \
		$(if $(PRESET),--preset '$(PRESET)') $(if $(JOBS),--jobs '$(JOBS)') \
		$(if $(SCHEDULER),--scheduler '$(SCHEDULER)')

verification: $(STAMP)
	@$(VENV)/bin/python -m resarray.verification.plan

# In the files' order: by number of tests, the longest, which have few, would come last.
# With ALL=1 also those marked "long", which is what CI runs.
test: $(TEST_STAMP) icarus headers chromium
	@$(VENV)/bin/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder \
		$(if $(ALL),,-m 'not long')

# With all extras: what is imported is what types are checked against.
lint: $(TEST_STAMP)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

venv: $(TEST_STAMP)

# $(call apt,PACKAGE): install a Debian package where this may be done, else do nothing.
apt = if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "installing $(1) ..."; \
		apt-get update -qq > /dev/null; \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) > /dev/null || true; \
	fi
# libpython3.x: cocotb loads Python into the simulator as a shared library.
LIBPYTHON = $(VENV)/bin/python -c 'import find_libpython, sys; sys.exit(find_libpython.find_libpython() is None)'
MINOR = $$($(PYTHON) -c 'import sys; print("3.%d" % sys.version_info.minor)')

# $(call set-up,[EXTRAS],STAMPS): the environment with what they need; STAMPS say so.
define set-up
	@command -v $(PYTHON) > /dev/null || { \
		echo "error: no '$(PYTHON)' on PATH: install Python 3.11 (Debian: apt install python3 python3-venv)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: '$(PYTHON)' is older than Python 3.11: set PYTHON= to a newer one" >&2; exit 2; }
	@[ -x $(VENV)/bin/pip ] || $(PYTHON) -c 'import ensurepip' 2> /dev/null || { $(call apt,python3-venv); }
	@[ -x $(VENV)/bin/pip ] || $(PYTHON) -c 'import ensurepip' 2> /dev/null || { \
		echo "error: this Python cannot make virtual environments: apt install python3-venv" >&2; exit 2; }
	@echo "setting up $(VENV)$(if $(1), for $(1)) (about two minutes; PyTorch may be a large download) ..."
	@[ -x $(VENV)/bin/pip ] || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip $(INSTALL) -c $(LOCK) -e '.$(1)'
	@PYTHONWARNINGS=ignore $(VENV)/bin/python -m compileall -qq -j 0 $(VENV)/lib > /dev/null || true  # some are templates
	@$(LIBPYTHON) || { $(call apt,libpython$(MINOR)); }
	@$(LIBPYTHON) || { \
		echo "error: no shared libpython, which the simulator needs: apt install libpython$(MINOR)" >&2; exit 2; }
	@find $(VENV) -maxdepth 1 -name '.stamp-*' -not -name '*-$(SUM)' -delete
	@touch $(2)
endef

$(STAMP):
	$(call set-up,,$@)

$(FPGA_STAMP):
	$(call set-up,[fpga],$@ $(STAMP))

$(DOCS_STAMP):
	$(call set-up,[docs],$@ $(STAMP))

# By name: a comma would end the argument.
EXTRAS := [dev,fpga,docs,cluster,formal,onnx,pt2e,tflite]
$(TEST_STAMP):
	$(call set-up,$(EXTRAS),$@ $(STAMP) $(FPGA_STAMP) $(DOCS_STAMP))

# Half of the end-to-end tests run on Icarus Verilog as well.
icarus:
	@command -v iverilog > /dev/null || { $(call apt,iverilog); }
	@command -v iverilog > /dev/null || echo \
		"note: no Icarus Verilog, so its tests will be skipped: apt install iverilog" >&2

# C headers that Verilator's waveforms need.
HEADERS = printf '\#include <zlib.h>\n\#include <lz4.h>\n' | g++ -E -x c++ - > /dev/null 2>&1
headers:
	@$(HEADERS) || { $(call apt,zlib1g-dev liblz4-dev); }

# The report is opened in it.
chromium:
	@command -v chromium > /dev/null || { $(call apt,chromium); }
	@command -v chromium > /dev/null || echo \
		"note: no Chromium, so the report's page will not be tested: apt install chromium" >&2

# The newest versions within the bounds, in an environment of their own. "2.13.0+cpu" is a build of
# 2.13.0 that the default index does not have; without the mark, either will do. Of the packages that
# PyTorch brings for GPUs it wants exact versions itself.
lock:
	@rm -rf build/lock
	@$(PYTHON) -m venv build/lock
	@echo "installing the newest versions in build/lock ..."
	@build/lock/bin/pip $(INSTALL) -e '.$(EXTRAS)'
	@{ sed -n '/^#/p' $(LOCK); build/lock/bin/pip freeze --all --exclude-editable \
		| grep -Ev '^(pip|nvidia-[^=]*|triton)==' | sed 's/+.*//'; } > build/$(LOCK)
	@mv build/$(LOCK) $(LOCK)
	@rm -rf build/lock
	@git diff --stat -- $(LOCK)

clean:
	@rm -rf build .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
