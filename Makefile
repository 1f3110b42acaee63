# make                     set up, then run the quick sweep: every table and figure, in results/quick
# make test                set up, then run the tests
# make paper               set up, then run the paper-scale sweep of config.yaml, in results/paper
# make study               run the same grid with the study's way of reinforcing, in results/study; it starts from the
#                          pretrained models of make paper, if there are any
# make watch               watch a sweep: the one started last, or that of CONFIG=config/quick.yaml
# make lint                check the style of Python and Snakemake code
# make verify              check a results folder: results/quick, or that of CONFIG=config.yaml
# make adopt               take over a results folder that was copied here without .snakemake; CONFIG as for verify
# make experiments         run the small sweeps of config/experiments, from the pretrained models of make paper
# make publish             copy the published files of finished sweeps and experiments to docs/
# make docs                build the documentation as a site, build/docs/index.html
# make reference           write the pages on configuration, tables, claims and scorecard in docs/
# make lock                write the lists of versions in envs/, from pyproject.toml; UPGRADE=--upgrade takes the newest
# make trials              run the trials of settings that docs/tuning/successes.yaml lists
# make bench               time the hot paths against plain references
# make bench-plan          time planning and aggregation of 10,000 policies
# make bench-device        count what a training step demands of a GPU
# make bench-loops         time the workflow against a single script with loops
# make bench-cost          fit the cost of a job against the number of parameters
# make bench-windows       time and memory of measuring 20,000 windows of 1,000 actions and 500 outcomes
# make bench-differential  time the differential measures against a policy's width and depth

.DELETE_ON_ERROR:
.PHONY: quick test paper study watch verify adopt experiments publish docs reference lock lint trials bench bench-plan bench-device bench-loops bench-cost setup development

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)
SNAKEMAKE = .venv/bin/snakemake --cores $(CORES)
SWEEP = PYTHONPATH=workflow_scripts .venv/bin/python -m sweep

# Snakemake and Matplotlib fail or complain if the home folder is not writable.
ifneq ($(shell test -w "$$HOME" || echo not),)
export XDG_CACHE_HOME ?= $(CURDIR)/.snakemake/home
export MPLCONFIGDIR ?= $(CURDIR)/.snakemake/home
endif

quick: setup
	$(SNAKEMAKE) --configfile config/quick.yaml

paper: setup
	$(SNAKEMAKE)

study: setup
	$(if $(wildcard results/paper/pretrained),$(call from_pretrained,results/study,config/study.yaml))
	$(SNAKEMAKE) --configfile config/study.yaml

watch: setup
	$(SWEEP) watch $(if $(CONFIG),--configfile $(CONFIG))

test: development .venv/cluster/installed
	.venv/bin/python -m pytest -n $(CORES) --dist loadgroup
	.venv/bin/python -m pytest -m interruptions

lint: development
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/snakemake --lint --configfile config/tiny.yaml

verify adopt: setup
	$(SWEEP) $@ --configfile $(or $(CONFIG),config/quick.yaml)

EXPERIMENTS = $(basename $(notdir $(wildcard config/experiments/*.yaml)))
# Experiments that vary the study's way of reinforcing; the others vary config.yaml.
OF_STUDY = failures no_maintenance
# Experiments on another sequence, which pretrain their own models.
ANEW = uneven
files_of = $(if $(filter $(1),$(OF_STUDY)),config/study.yaml) config/experiments/$(1).yaml
.PHONY: $(EXPERIMENTS)

experiments: $(EXPERIMENTS)

# Start from copies of the paper-scale sweep's pretrained models, which adopt checks, instead of training them again.
define from_pretrained
mkdir -p $(1)
test -d $(1)/pretrained || cp -R results/paper/sequences results/paper/pretrained $(1)
$(SWEEP) adopt --configfile $(2)
endef

$(filter-out $(ANEW),$(EXPERIMENTS)): results/paper/pretrained

$(EXPERIMENTS): setup
	$(if $(filter $@,$(ANEW)),,$(call from_pretrained,results/experiments/$@,$(call files_of,$@)))
	$(SNAKEMAKE) --configfile $(call files_of,$@)

results/paper/pretrained:
	@echo "error: $@ is missing: the experiments start from the paper-scale sweep; run make paper first" >&2; exit 1

# Figures of experiments that pages in docs/ show.
SHOWN_graded = op_vs_predicted
SHOWN_along_training = identification_along_training
SHOWN_uneven = identification_by_measure
SHOWN_heavy_maintenance = self_op_vs_measured

# Only of sweeps that have a report, so that experiments can be published alone.
published = { test ! -e results/$(1)/report.html || \
	$(SWEEP) publish --configfile $(2) --folder docs/$(3); }
publish: setup
	$(call published,paper,config.yaml,sweeps/paper)
	$(call published,study,config/study.yaml,sweeps/study)
	$(foreach name,$(EXPERIMENTS),$(call published,experiments/$(name),$(call files_of,$(name)),experiments/$(name) \
		--tables-only $(if $(SHOWN_$(name)),--figures $(SHOWN_$(name)))) && ) true

docs: .venv/docs
	.venv/bin/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs

reference: setup
	$(SWEEP) reference configuration > docs/configuration.md
	$(SWEEP) reference claims > docs/claims.md
	$(SWEEP) reference scorecard > docs/scorecard.md
	$(SWEEP) reference tables > docs/tables.md

# The list for development covers all platforms, and the others are parts of it. Versions stay as they are if they fit.
LOCK = .venv/bin/uv pip compile --quiet --universal --fork-strategy fewest --annotation-style line \
	--custom-compile-command "make lock" $(UPGRADE)

lock: setup
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) pyproject.toml --extra dev --output-file envs/development.txt
	$(LOCK) pyproject.toml --extra workflow --constraints envs/development.txt --output-file envs/requirements.txt
	$(LOCK) pyproject.toml --extra docs --constraints envs/development.txt --output-file envs/docs.txt
	$(LOCK) --group cluster --no-deps --output-file envs/cluster.txt

trials: setup
	PYTHONPATH=workflow_scripts OMP_NUM_THREADS=1 .venv/bin/python benchmarks/trials.py docs/tuning/successes.yaml

.PHONY: bench-windows bench-differential
bench bench-plan bench-device bench-loops bench-cost bench-windows: setup
	PYTHONPATH=workflow_scripts OMP_NUM_THREADS=1 .venv/bin/python benchmarks/$(subst bench-,,$@).py

# glibc keeps freed memory, as it does in jobs; see rules/common.smk.
bench-differential: setup
	PYTHONPATH=workflow_scripts OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=1000000000 \
		MALLOC_TRIM_THRESHOLD_=1000000000 .venv/bin/python benchmarks/differential_cost.py

setup: .venv/requirements

development: .venv/development

# Each stamp is newer than its list once the packages are installed. pip would compile them on one core, and their own
# tests too.
.venv/requirements .venv/development .venv/docs: .venv/%: envs/%.txt | .venv/bin/python
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -r $<
	.venv/bin/python -m compileall -qq -j 0 -x '/tests?/' .venv/lib || true
	touch $@

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or later is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv .venv

# The cluster plugins are installed where only their tests look. With Slurm and its plugin installed, every start of
# Snakemake would query the controller, and wait ten seconds if there is none.
.venv/cluster/installed: envs/cluster.txt | .venv/development
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D) -r $<
	touch $@
