# make          set up, then the quick sweep: every table and figure in results/quick
# make test     set up, then the tests
# make paper    set up, then the paper-scale sweep of config.yaml in results/paper
# make lint     style of Python and Snakemake code
# make bench    speed of the hot paths against plain references

.DELETE_ON_ERROR:
.PHONY: quick test paper lint bench setup

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
SNAKEMAKE = .venv/bin/snakemake --cores $(CORES)

quick: setup
	$(SNAKEMAKE) --configfile config/quick.yaml

paper: setup
	$(SNAKEMAKE)

test: setup .venv/cluster/installed
	.venv/bin/python -m pytest

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint --configfile config/tiny.yaml

bench: setup
	PYTHONPATH=workflow_scripts OMP_NUM_THREADS=1 .venv/bin/python benchmarks/bench.py

setup: .venv/installed

# The stamp is newer than the requirements once they are installed.
.venv/installed: envs/requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed; name one with make PYTHON=...")'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	touch $@

# The plugins for clusters lie where only their tests look: with that of Slurm installed, and Slurm too, every start of
# Snakemake asks the controller, and waits ten seconds if there is none.
.venv/cluster/installed: envs/cluster.txt .venv/installed
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D) -r $<
	touch $@
