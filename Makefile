# The Makefile only saves typing: everything below is plain pip, snakemake and pytest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3.11
BIN := .venv/bin
# tools find the environment's own programs first, whoever calls them
export PATH := $(CURDIR)/$(BIN):$(PATH)
# a shell's own settings must not decide which packages and modules are seen
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.DEFAULT_GOAL := help
.PHONY: help env grid pilot test test-fast test-slurm test-browser lint docs bench clean

help: ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

env: .venv/installed ## install the environment from envs/lock.txt (quick if nothing changed)

.venv/installed: envs/lock.txt envs/lock-cuda.txt pyproject.toml
	@echo "Making .venv from envs/lock.txt"
	rm -f $@
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r envs/lock.txt
	@if $(BIN)/python -c 'import sys, importlib.metadata as m; sys.exit(not any("cuda-toolkit" in r for r in m.requires("torch")))'; \
	then $(BIN)/python -m pip install --quiet --disable-pip-version-check -c envs/lock.txt -r envs/lock-cuda.txt; fi
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

grid: env ## run the embedded study, from nothing to results/embedded/report.html
	snakemake --cores all --logger xstilts

pilot: env ## run a first slice of real benchmarks; needs a mirror, see config/pilot.yaml
	snakemake --cores all --logger xstilts --configfile config/pilot.yaml

test: env ## run all tests but those on Slurm
	pytest -n 2 --dist loadfile

test-fast: env ## run the tests that run no workflow (a few minutes)
	pytest -n 2 --dist loadfile -m "not workflow"

test-slurm: env ## run the tests on a Slurm that they start here: needs root, Debian's slurm-wlm slurmdbd mariadb-server munge
	pytest -m slurm tests/slurm

test-browser: env ## open reports in Chromium: needs Debian's chromium
	pytest -m browser tests/browser

lint: env ## check style, types, order of imports, dependencies and the workflow
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/Snakefile workflow/rules
	mypy
	lint-imports
	deptry src workflow
	snakemake --lint

docs: env ## build the documentation as a site in site/, with every link checked
	NO_MKDOCS_2_WARNING=1 mkdocs build

bench: env ## run the benchmarks (they print figures and fail nothing)
	snakemake --cores all --logger xstilts download
	python bench/speed.py
	python bench/scale.py
	python bench/calibration.py
	python bench/null_gains.py

clean: ## remove the environment and caches; resources/ and results/ stay
	rm -rf site .venv .snakemake .pytest_cache .ruff_cache .mypy_cache .hypothesis src/*.egg-info
