# Every target does its own set-up: a virtual environment in .venv, the package built into this tree. Needed beforehand:
# CPython 3.11 or later with its headers and venv, a C compiler, make. Variables:
#
#   PYTHON=python3.12   the interpreter for .venv (default: the first suitable one found)
#   GCSIM_BUILD=debug   the build mode of the package in this tree: release (default) or debug
#   ARGS="-k spans"     added to pytest, or to what `demo` and `bench` run
#   TESTS=tests/test_x.py   of the Python tests only these, for the sanitizers

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PY := $(CURDIR)/$(VENV)/bin/python
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
CC ?= cc
include csrc/flags.mk
MODE := $(or $(GCSIM_BUILD),release)
ifeq ($(filter $(MODE),$(MODES)),)
$(error GCSIM_BUILD=$(MODE) is not a build mode; choose one of: $(MODES))
endif
JOBS := $(shell nproc 2>/dev/null || echo 2)
ARGS ?=
TESTS ?= tests

# What the extension module and the package's installation are made from.
CORE_SOURCES := $(shell find csrc -name tests -prune -o -name '*.[ch]' -print -o -name '*.def' -print -o -name '*.mk' -print)
PACKAGE_SOURCES := $(shell find gcsim tests notebooks -type f -not -name '*.so' -not -path '*/__pycache__/*') pyproject.toml \
    setup.py MANIFEST.in README.md
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
# One worker for each processor, up to 8: `make test ARGS=-n0` runs the tests in pytest's own process.
WORKERS := -n logical --maxprocesses 8 --dist worksteal
PYTEST := $(PY) -m pytest -q $(WORKERS) -m "not soak and not proof"

.PHONY: help
help: ## this list
	@echo "gcsim: targets of this Makefile"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

# ---- what people run ----

.PHONY: demo test test-c bench bench-peers closed-loop reach virtual notebooks soak exercises arm mutants planted viewers explore explore-all
demo: $(VENV)/.viz $(VENV)/.core-$(MODE) ## rebuild a real Go heap, collect it, compare every number
	@$(PY) -m gcsim demo $(ARGS)

test: test-c $(VENV)/.test $(VENV)/.core-$(MODE) ## the C tests, then the Python tests
	@$(PYTEST) tests $(ARGS)

test-c: ## the C tests alone (no Python needed)
	@$(MAKE) -C csrc -j$(JOBS) --output-sync=target test

bench: $(VENV)/.test $(VENV)/.core-$(MODE) ## speed and memory beside their bars and other memories (ARGS=table, short, growth or a group)
	@$(PY) tests/bench/run.py $(ARGS)

bench-peers: $(VENV)/.made ## build what `bench` compares with: Go, Java, bdwgc, mimalloc, jemalloc; names those that are missing
	@$(PY) tests/bench/peers.py

closed-loop: $(VENV)/.test $(VENV)/.core-$(MODE) ## the same programs in Go and here: cycles and goals side by side (needs Go)
	@$(PY) tests/bench/closed_loop.py $(ARGS)

reach: $(VENV)/.test $(VENV)/.core-$(MODE) ## stops, shares, limits, memory after a spike: what concurrency must reach
	@$(PY) tests/bench/reach.py $(ARGS)

virtual: $(VENV)/.test $(VENV)/.core-$(MODE) ## virtual time beside threads and beside recordings of Go (ARGS=calibrate: its costs)
	@$(PY) tests/bench/virtual.py $(ARGS)

notebooks: $(VENV)/.notebook $(VENV)/.core-$(MODE) ## run every notebook from top to bottom (nothing is written)
	@ls notebooks/*.ipynb >/dev/null 2>&1 || $(call not_yet,notebooks)
	@for n in notebooks/*.ipynb; do \
	    $(VENV)/bin/jupyter-execute --timeout=300 $$n || exit 1; done

soak: $(VENV)/.test $(VENV)/.core-$(MODE) ## the long forms of the tests (GCSIM_SOAK=1): minutes to hours
	@GCSIM_SOAK=1 TIMEOUT=36000 $(MAKE) -C csrc test
	@GCSIM_SOAK=1 $(PY) -m pytest -q tests $(ARGS)
	@$(PY) tests/mutants/run.py
	@$(PY) tests/planted/run.py && $(PY) tests/planted/run.py --compare

exercises: $(VENV)/.test $(VENV)/.core-$(MODE) dist ## mistakes in solutions of the exercises, and tricks, must be noticed; a thousand questions of each topic
	@$(PY) -m pytest -q $(WORKERS) -m proof tests/test_learn.py tests/test_quiz.py $(ARGS)

# Vector kernels are the one thing that the core has in a form of its own for ARM; emulation says nothing about speed.
ARM := aarch64-linux-gnu
arm: ## the C tests that run the kernels, compiled for ARM and run under qemu-aarch64 (ARGS="ONLY=.fast": more of them)
	@$(MAKE) -C csrc -j$(JOBS) --output-sync=target test CC=$(ARM)-gcc RUN="qemu-aarch64 -L /usr/$(ARM)" TIMEOUT=900 \
	    $(or $(ARGS),ONLY=test_spans)

mutants: $(VENV)/.made ## mistakes made in copies of the core, which the C tests must notice (ARGS="--sample 8")
	@$(PY) tests/mutants/run.py $(ARGS)

planted: $(VENV)/.made ## bugs compiled into the core, which the explorer must find (a minute; ARGS="--only weak")
	@$(PY) tests/planted/run.py $(ARGS)

viewers: ## what the tests open written files with: speedscope, in build/viewers (needs npm)
	@npm install --silent --no-audit --no-fund --ignore-scripts --prefix build/viewers speedscope@1.25.0

explore: $(VENV)/.test $(VENV)/.core-$(MODE) ## every interleaving of small programs: what is sound, what is refuted (2 minutes)
	@$(PY) tests/explore/run.py $(ARGS)

explore-all: $(VENV)/.test $(VENV)/.core-$(MODE) ## the same with two mutators under each barrier (a quarter of an hour)
	@$(PY) tests/explore/run.py --all $(ARGS)

# ---- checks ----

.PHONY: check format asan ubsan tsan refleak cov dist
C_FILES = $(shell find csrc tests -name '*.[ch]')
check: $(VENV)/.dev $(VENV)/.test $(VENV)/.core-$(MODE) ## formatting, linting and types of everything
	@$(VENV)/bin/clang-format --dry-run --Werror $(C_FILES)
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy --strict gcsim
	@$(PY) -m mypy.stubtest gcsim $(addprefix --allowlist ,$(wildcard tests/stubtest-allowlist.txt))
	@$(VENV)/bin/pyright --pythonpath $(PY)

format: $(VENV)/.dev ## rewrite C and Python in the project's format
	@$(VENV)/bin/clang-format -i $(C_FILES)
	@$(VENV)/bin/ruff check --quiet --fix . || true
	@$(VENV)/bin/ruff format --quiet .

# The package in another mode is built beside the tree's own, in build/MODE/package, and found through PYTHONPATH.
# PYTHONSAFEPATH keeps the tree itself out of sys.path, also in the processes that tests start.
define build_package # mode
rm -rf build/$(1)/package
GCSIM_BUILD=$(1) $(PY) setup.py --quiet build --build-lib build/$(1)/package
endef
other_package = PYTHONSAFEPATH=1 PYTHONPATH=$(CURDIR)/build/$(1)/package GCSIM_BUILD=$(1)
assert_mode = $(call other_package,$(1)) $(2) $(PY) -c \
    'import gcsim; m = gcsim.build_info()["mode"]; assert m == "$(1)", f"gcsim of mode {m} was imported"'
SECOND_RUN := -m "not soak and not slow and not proof"

# A sanitizer must be in the process before Python is; libstdc++ too, or the first C++ exception in a package is fatal.
runtime = $(shell $(CC) -print-file-name=lib$(1).so)
preload = $(if $(findstring /,$(call runtime,$(1))),LD_PRELOAD="$(call runtime,$(1)) $(call runtime,stdc++)",\
    $(error $(CC) has no lib$(1).so: the sanitizer runs of Python need gcc (CC=gcc)))

# Pytest captures what a sanitizer says before it stops the process, so it goes to a file; shown when the tests fail.
options = log_path=$(CURDIR)/build/$(1)/report:abort_on_error=1:print_stacktrace=1:$(2)
define sanitized_tests # mode, environment, pytest's selection
rm -f build/$(1)/report.*
$(other_package) $(2) $(PY) -m pytest -q $(WORKERS) $(3) $(TESTS) $(ARGS) \
    || { status=$$?; cat build/$(1)/report.* >&2 2>/dev/null; exit $$status; }
endef

ASAN_PYTHON = PYTHONMALLOC=malloc $(call preload,asan) \
    ASAN_OPTIONS=$(call options,asan,detect_leaks=0:allocator_may_return_null=1) UBSAN_OPTIONS=$(call options,asan)
asan: $(VENV)/.test $(VENV)/.installed ## C and Python tests under the address and undefined-behaviour sanitizers
	@GCSIM_BUILD=asan $(MAKE) -C csrc -j$(JOBS) --output-sync=target test
	@$(call build_package,asan)
	@$(call assert_mode,asan,$(ASAN_PYTHON))
	@$(call sanitized_tests,asan,$(ASAN_PYTHON),$(SECOND_RUN))

UBSAN_PYTHON = UBSAN_OPTIONS=$(call options,ubsan)
ubsan: $(VENV)/.test $(VENV)/.installed ## C and Python tests under the undefined-behaviour sanitizer
	@GCSIM_BUILD=ubsan $(MAKE) -C csrc -j$(JOBS) --output-sync=target test
	@$(call build_package,ubsan)
	@$(call assert_mode,ubsan,$(UBSAN_PYTHON))
	@$(call sanitized_tests,ubsan,$(UBSAN_PYTHON),$(SECOND_RUN))

# Gcc's thread sanitizer cannot place its shadow in a fully randomised address space: setarch -R. In step mode one thread at a time runs in
# the core: only the other instantiation can race.
TSAN_PYTHON = $(call preload,tsan) TSAN_OPTIONS=$(call options,tsan,halt_on_error=1:die_after_fork=0) \
    $(if $(shell command -v setarch),setarch $(shell uname -m) -R)
tsan: $(VENV)/.test $(VENV)/.installed ## C tests, and the Python tests marked `threads`, under the thread sanitizer
	@GCSIM_BUILD=tsan $(MAKE) -C csrc -j$(JOBS) --output-sync=target test ONLY=.fast
	@$(call build_package,tsan)
	@$(call assert_mode,tsan,$(TSAN_PYTHON))
	@$(call sanitized_tests,tsan,$(TSAN_PYTHON),-m threads -k "not steps")

# The debug interpreter loads no ordinary binary wheel, so its cffi is compiled (libffi's headers are needed).
DEBUG_PYTHONS := $(or $(DEBUG_PYTHON),python3-dbg python3.14-dbg python3.13-dbg python3.12-dbg python3.11-dbg)
REFLEAK_VENV := .venv-refleak
$(REFLEAK_VENV)/.ready: pyproject.toml
	@rm -rf $(REFLEAK_VENV); \
	for p in $(DEBUG_PYTHONS); do \
	    $$p -c 'import sys, venv; sys.gettotalrefcount()' 2>/dev/null && { found=$$p; break; }; done; \
	if [ -z "$$found" ]; then \
	    echo "make refleak: no debug build of CPython among: $(DEBUG_PYTHONS)" >&2; \
	    echo "  (Debian: apt-get install python3-dbg libffi-dev; or DEBUG_PYTHON=/path/to/python)" >&2; exit 2; fi; \
	echo "setting up $(REFLEAK_VENV) with $$found"; $$found -m venv $(REFLEAK_VENV)
	@$(REFLEAK_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-binary cffi \
	    "setuptools>=77" cffi pytest hypothesis
	@touch $@
refleak: $(REFLEAK_VENV)/.ready ## reference leaks, counted by a debug build of CPython
	@ls tests/refleak/test_*.py >/dev/null 2>&1 || $(call not_yet,tests/refleak)
	@rm -rf build/refleak/package
	@GCSIM_BUILD=debug $(REFLEAK_VENV)/bin/python setup.py --quiet build --build-lib build/refleak/package
	@$(call other_package,refleak) GCSIM_BUILD=debug $(REFLEAK_VENV)/bin/python -m pytest -q tests/refleak $(ARGS)

cov: $(VENV)/.dev $(VENV)/.test $(VENV)/.installed ## line coverage of C and Python under all tests: build/cov/report
	@find build/cov -name '*.gcda' -delete 2>/dev/null || true
	@GCSIM_BUILD=cov $(MAKE) -C csrc -j$(JOBS) --output-sync=target test
	@$(call build_package,cov)
	@$(call assert_mode,cov)
	@$(call other_package,cov) $(PY) -m coverage run -m pytest -q $(SECOND_RUN) tests $(ARGS)
	@mkdir -p build/cov/report
	@$(PY) -m coverage report --skip-empty | tee build/cov/report/python.txt
	@$(VENV)/bin/gcovr --root . --filter csrc/ --exclude csrc/tests/ --object-directory build/cov \
	    --gcov-ignore-parse-errors all --merge-mode-functions separate \
	    --txt build/cov/report/c.txt --html-details build/cov/report/c.html && cat build/cov/report/c.txt

dist: dist/.made ## the sdist, and the wheel built from it, in dist/
	@ls -l dist

dist/.made: $(CORE_SOURCES) $(PACKAGE_SOURCES) | $(VENV)/.dev
	@rm -rf dist; mkdir -p build
	@$(PY) -m build --outdir dist . >build/dist.log 2>&1 || { cat build/dist.log; exit 1; }
	@touch $@

.PHONY: clean distclean
clean: ## remove what was built
	rm -rf build dist gcsim.egg-info gcsim/_core.*.so $(VENV)/.core-* $(VENV)/.installed
	find gcsim tests -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environments too
	rm -rf .venv .venv-*

# ---- the virtual environment ----

# Says what is missing on standard error; fails if gcsim cannot be built and installed with this interpreter.
define PROBE
import os, sys
if sys.version_info < (3, 11):
    sys.exit("is Python %d.%d; gcsim needs 3.11 or later" % sys.version_info[:2])
import sysconfig
try:
    import ensurepip, venv
except ImportError:
    sys.exit("cannot make virtual environments (Debian: apt-get install python3-venv)")
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    sys.exit("has no C headers (Debian: apt-get install python3-dev)")
endef
export PROBE

$(VENV)/.made:
	@command -v $(firstword $(CC)) >/dev/null || { \
	    echo "make: no C compiler '$(CC)' (Debian: apt-get install gcc; or set CC)" >&2; exit 1; }
	@for p in $(or $(PYTHON),$(PYTHONS)); do \
	    command -v $$p >/dev/null || continue; \
	    if why=$$($$p -c "$$PROBE" 2>&1); then found=$$p; break; fi; \
	    reasons="$$reasons  $$p $$why\n"; \
	done; \
	if [ -z "$$found" ]; then \
	    echo "make: no suitable Python among: $(or $(PYTHON),$(PYTHONS))" >&2; \
	    printf "$$reasons" >&2; \
	    echo "  gcsim needs CPython 3.11 or later with its headers and venv; PYTHON=... names one" >&2; exit 1; \
	fi; \
	echo "setting up $(VENV) with $$found ($$($$found --version)); the first time this takes a minute"; \
	rm -rf $(VENV); $$found -m venv $(VENV)
	@touch $@

# The requirements of pyproject.toml's build system, and of each of its extras.
define REQUIREMENTS
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
extras = {"build": project["build-system"]["requires"], **project["project"]["optional-dependencies"]}
print(*extras[sys.argv[1]], sep="\n")
endef
export REQUIREMENTS

EXTRAS := build viz notebook test dev
$(EXTRAS:%=$(VENV)/.%): $(VENV)/.%: pyproject.toml | $(VENV)/.made
	@$(PY) -c "$$REQUIREMENTS" $* > $@.txt
	@$(PIP) -r $@.txt
	@touch $@

$(VENV)/.installed: pyproject.toml setup.py $(VENV)/.build
	@$(PIP) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.core-*
	@touch $@

# setup.py compiles only what changed.
ifneq ($(filter release debug,$(MODE)),)
$(VENV)/.core-$(MODE): $(CORE_SOURCES) $(VENV)/.installed
	@echo "building gcsim ($(MODE))"
	@$(PY) setup.py --quiet build_ext --inplace
	@rm -f $(VENV)/.core-*; touch $@
else
$(VENV)/.core-$(MODE):
	@echo "make: GCSIM_BUILD=$(MODE) does not go into the tree (release and debug do): make $(MODE)" >&2; exit 2
endif

# $(1) what is missing
not_yet = { echo "make $@: not there yet: $(1)" >&2; exit 2; }
