"""The workflow run by Snakemake: what users type, and what they get."""

import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pyarrow.parquet as pq
import pytest
import yaml

from conftest import ROOT, environment, kill_group, wait_until
from splithistory.seeding import SPLITS
from sweep.figures import figure_names
from sweep.layout import (
    MODEL,
    POLICY,
    csv_beside,
    finetuned_table,
    keys_of,
    pretrained_table,
    sequence_table,
    summary_table,
)
from sweep.schemas.manifest import MANIFEST
from sweep.schemas.measure import GENERATOR, SUCCESS
from sweep.schemas.sequences import CHAINS
from sweep.schemas.summary import SUMMARY
from sweep.tables import as_in_schema, read_table, validate_table
from sweep.workflow import all_jobs

RESULTS = "results/tiny"
TINY = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text(encoding="utf-8"))
SWEEP = TINY["sweep"]
SIZES, TASKS, SEEDS = (SWEEP[key] for key in ("sizes", "tasks", "seeds"))
FIGURES = [f"{RESULTS}/figures/{name}" for name in figure_names(TASKS)]
TABLES = [(table.schema, table.path) for job in all_jobs(RESULTS, SWEEP) for table in job.tables]

GENERATE = {f"Generating the {split} chains" for split in SPLITS}
MEASURE_GENERATOR = {"Measuring the sequence's own generator"}
DRAW = {"Drawing the figures", "Writing the report", "Writing the manifest"}
SUMMARIZE = {"Summarizing all policies"} | DRAW


def pretraining(sizes=SIZES, seeds=SEEDS):
    return {f"Pretraining {size}, seed {seed}" for size in sizes for seed in seeds}


def of_policies(verb, tasks=TASKS, sizes=SIZES, seeds=SEEDS):
    return {f"{verb} {size}, seed {seed} on {task}" for size in sizes for seed in seeds for task in tasks}


def measuring(**keys):
    return of_policies("Measuring", **keys)


def reinforcing_and_measuring(**keys):
    return of_policies("Reinforcing", **keys) | measuring(**keys)


def measuring_pretrained(sizes=SIZES, seeds=SEEDS):
    return {f"Measuring pretrained {size}, seed {seed}" for size in sizes for seed in seeds}


EVERYTHING = (
    GENERATE | MEASURE_GENERATOR | pretraining() | measuring_pretrained() | reinforcing_and_measuring() | SUMMARIZE
)
ALL_MEASURING = MEASURE_GENERATOR | measuring() | measuring_pretrained() | SUMMARIZE


def log_names():
    """Name of the log of every job, without its extension, by its rule."""
    models = [f"size={keys['size']}/seed={keys['seed']}" for keys in keys_of(MODEL, SWEEP)]
    policies = [f"task={keys['task']}/size={keys['size']}/seed={keys['seed']}" for keys in keys_of(POLICY, SWEEP)]
    return {
        "sequences": [f"sequences/split={split}" for split in SPLITS],
        **{rule: [rule] for rule in ("measure_generator", "summarize", "figures", "report", "manifest")},
        **{rule: [f"{rule}/{keys}" for keys in models] for rule in ("pretrain", "measure_pretrained")},
        **{rule: [f"{rule}/{keys}" for keys in policies] for rule in ("finetune", "measure")},
    }


def assert_equal_tables(workspace, other):
    """Check that all tables have equal schemas, values and checksums; metadata, which holds wall times, may differ."""
    for schema, path in TABLES:
        table, expected = (read_table(place.folder / path, schema) for place in (workspace, other))
        assert table.num_rows > 0
        assert table.schema.equals(expected.schema, check_metadata=False), path
        assert table.equals(expected, check_metadata=False), path
    # What the table of checksums says, which the loop has compared as well, is said of every table.
    checksums = read_table(workspace.results / "manifest.parquet", MANIFEST)["sha256"].to_pylist()
    assert len(checksums) == len(TABLES) - 1
    assert all(re.fullmatch(r"[0-9a-f]{64}", checksum) for checksum in checksums)


# A finished sweep


def test_a_sweep_makes_every_table_figure_and_log_and_nothing_else(finished_run):
    workspace, run = finished_run
    assert run.jobs == EVERYTHING
    tables = {path for _, path in TABLES}
    figures = {f"{stem}.{suffix}" for stem in FIGURES for suffix in ("svg", "png")}
    logs = {f"{RESULTS}/logs/{name}.log" for names in log_names().values() for name in names}
    benchmarks = {path for path in workspace.files() if path.startswith(f"{RESULTS}/logs/") and path.endswith(".tsv")}
    assert len(logs) == len(EVERYTHING)
    others = {"report.html", "schedule.svg", "schedule.png", "logs/configuration.yaml", "logs/run.json"}
    others = {f"{RESULTS}/{name}" for name in others}
    csv = {csv_beside(summary_table(RESULTS, name)) for name in (*SUMMARY, "generator")}
    assert workspace.files() == tables | csv | figures | others | logs | benchmarks
    assert {path.removesuffix(".tsv") for path in benchmarks} <= {path.removesuffix(".log") for path in logs}


def test_every_table_is_what_its_schema_says(finished):
    for schema, path in TABLES:
        assert validated_table(finished.folder / path, schema).num_rows > 0, path


def validated_table(path, schema):
    """A table, checked against every rule of its schema."""
    table = read_table(path, schema)
    validate_table(table, schema, path)
    return table


def test_every_figure_is_an_image_in_both_formats(finished):
    for stem in FIGURES:
        assert ET.parse(finished.folder / f"{stem}.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert (finished.folder / f"{stem}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_first_run_speaks_of_no_other_configuration(finished_run):
    _, run = finished_run
    assert "another configuration" not in run.output


def test_every_job_logs_its_end(finished):
    for names in log_names().values():
        for name in names:
            assert " done in " in (finished.results / "logs" / f"{name}.log").read_text().splitlines()[-1], name


def test_the_manifest_lists_every_other_table_and_its_rows(finished):
    manifest = read_table(finished.results / "manifest.parquet", MANIFEST).to_pylist()
    listed = {f"{RESULTS}/{row['path']}": row["rows"] for row in manifest}
    assert listed == {path: pq.read_metadata(finished.folder / path).num_rows for _, path in TABLES[:-1]}


def test_there_is_a_row_for_every_policy(finished):
    policies = read_table(finished.results / "summary" / "policies.parquet", SUMMARY["policies"])
    assert policies.select(["task", "size", "seed"]).to_pylist() == list(keys_of(POLICY, SWEEP))


def test_two_jobs_at_a_time_make_the_same_tables(workspace, finished):
    run = workspace.snakemake(cores=2)
    assert run.status == 0, run.output
    assert run.jobs == EVERYTHING
    assert_equal_tables(workspace, finished)


# What reruns


def test_a_finished_sweep_has_nothing_to_be_done(copied):
    before = copied.contents()
    run = copied.snakemake()
    assert run.status == 0
    assert "Nothing to be done" in run.output
    assert copied.contents() == before


def test_newer_files_of_the_same_content_rerun_nothing(copied):
    last = (copied.results / "manifest.parquet").stat().st_mtime
    touched = [path for _, path in TABLES if "/sequences/" in path or "checkpoint" in path or "training" in path]
    assert len(touched) > 10
    for number, path in enumerate(touched):
        os.utime(copied.folder / path, (last + 60 + number, last + 60 + number))
    assert copied.snakemake("--dry-run").jobs == set()


def test_a_newer_file_of_other_content_reruns_what_reads_it(copied):
    path = copied.folder / sequence_table(RESULTS, "test")
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    run = copied.snakemake("--dry-run")
    assert run.jobs == ALL_MEASURING


# A file of the finished sweep, and the jobs that make it again.
DELETED = {
    "chains": (sequence_table(RESULTS, "validation"), {"Generating the validation chains"}),
    "a pretrained model": (pretrained_table(RESULTS, "checkpoint", "tiny", 0), pretraining(["tiny"])),
    "a measured table": (
        finetuned_table(RESULTS, "measured", "good2", "tiny2", 0),
        {"Measuring tiny2, seed 0 on good2"},
    ),
    "a table as CSV": (csv_beside(summary_table(RESULTS, "fits")), SUMMARIZE),
    "the generator's as CSV": (csv_beside(summary_table(RESULTS, "generator")), MEASURE_GENERATOR),
    "a figure": (f"{FIGURES[0]}.svg", DRAW),
}


@pytest.mark.parametrize(("path", "jobs"), DELETED.values(), ids=DELETED)
def test_a_deleted_file_is_made_again(copied, path, jobs):
    """This is what every message about a damaged file advises."""
    (copied.folder / path).unlink()
    assert copied.snakemake("--dry-run").jobs >= jobs


GRADED = [0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1]


def test_a_graded_task_goes_all_the_way(copied):
    """A graded task next to a good set is trained, measured, judged, drawn and reported."""
    tasks, sizes = ["good2", "graded"], SIZES[:1]
    override = {"tasks": {"graded": {"utility": GRADED}}, "sweep": {"tasks": tasks, "sizes": sizes}}
    run = copied.snakemake(override=override)
    assert run.status == 0, run.output
    assert run.jobs == reinforcing_and_measuring(tasks=["graded"], sizes=sizes) | SUMMARIZE

    success = read_table(copied.folder / finetuned_table(RESULTS, "success", "graded", sizes[0], 0), SUCCESS)
    (row,) = success.to_pylist()
    gained = sum(count * utility for count, utility in zip(row["outcome_counts"], GRADED, strict=True))
    assert row["success_rate"] == pytest.approx(gained / row["n_contexts"])
    assert row["chance"] == pytest.approx(0.5)

    summary = {}
    for name in ("policies", "cross_objective", "identification", "claims"):
        path = copied.folder / summary_table(RESULTS, name)
        summary[name] = as_in_schema(validated_table(path, SUMMARY[name]), SUMMARY[name])
    policies = summary["policies"].set_index("task")
    assert policies["utility"].map(list).to_dict() == {"good2": [1, 0, 0, 0, 1, 0, 0, 0], "graded": GRADED}
    parts = policies["op_predicted"] + policies["op_favouritism"] - policies["op_nonuniformity"]
    assert policies["op"].tolist() == pytest.approx(parts.tolist(), abs=1e-12)
    assert policies["n_good"].isna().to_dict() == {"good2": False, "graded": True}
    assert len(summary["cross_objective"]) == 4
    reasons = summary["identification"].set_index("task")["true_set_rank_reason"]
    assert reasons["graded"].str.startswith("graded task").all()
    assert len(summary["claims"]) > 16

    for stem in figure_names(tasks):
        title = ET.parse(copied.results / "figures" / f"{stem}.svg").getroot().findtext(".//{*}title")
        assert title, stem
    assert (copied.results / "report.html").read_text(encoding="utf-8").count("graded") > 20


# The tiny sweep's own configuration, written in another way.
REARRANGED = yaml.safe_dump(
    {key: dict(reversed(value.items())) if isinstance(value, dict) else value for key, value in reversed(TINY.items())},
    sort_keys=False,
    indent=7,
).replace("\n", "  # a comment\n\n")

# An override of the finished sweep, and the jobs that it reruns.
CHANGES = {
    "the good outcomes of a task": (
        {"tasks": {"good2": {"good": [0, 1]}}},
        reinforcing_and_measuring(tasks=["good2"]) | SUMMARIZE,
    ),
    "the order of a task's good outcomes": ({"tasks": {"good4": {"good": [6, 4, 2, 0]}}}, set()),
    "a task more": (
        {"sweep": {"tasks": [*TASKS, "good6"]}},
        reinforcing_and_measuring(tasks=["good6"]) | SUMMARIZE,
    ),
    "the order of all keys, comments and white space": (REARRANGED, set()),
    "two values, swapped": (
        {"pretrain": {"warmup_fraction": 0.85, "anneal_fraction": 0.15}},
        EVERYTHING - GENERATE - MEASURE_GENERATOR,
    ),
    "a size more": (
        {
            "sweep": {"sizes": [*SIZES, "more"]},
            "sizes": {"more": {"d_model": 8, "n_layers": 1, "n_heads": 1, "d_ff": 8}},
        },
        pretraining(["more"]) | measuring_pretrained(["more"]) | reinforcing_and_measuring(sizes=["more"]) | SUMMARIZE,
    ),
    "a size fewer": ({"sweep": {"sizes": SIZES[:1]}}, SUMMARIZE),
    "the number of test chains": (
        {"sequence": {"n_test": 250}},
        {"Generating the test chains"} | ALL_MEASURING,
    ),
    "a task fewer": ({"sweep": {"tasks": TASKS[:1]}}, SUMMARIZE),
    "a task that is defined and not run": ({"tasks": {"good1": {"good": [7]}}}, set()),
    "a seed more": (
        {"sweep": {"seeds": [*SEEDS, 1]}},
        pretraining(seeds=[1]) | measuring_pretrained(seeds=[1]) | reinforcing_and_measuring(seeds=[1]) | SUMMARIZE,
    ),
    "the resolution of the figures": ({"figures": {"png_dpi": 100}}, DRAW),
    "how policies are measured": (
        {"measure": {"n_contexts_exact": 90}},
        MEASURE_GENERATOR | measuring() | SUMMARIZE,
    ),
    "how blocks are measured": (
        {"measure": {"n_contexts_differential": 3}},
        ALL_MEASURING,
    ),
    "the pretraining of a size": (
        {"sizes": {"tiny": {"pretrain": {"learning_rate": 0.01}}}},
        pretraining(["tiny"]) | measuring_pretrained(["tiny"]) | reinforcing_and_measuring(sizes=["tiny"]) | SUMMARIZE,
    ),
    "the reinforcement of a size on a task": (
        {"tasks": {"good4": {"finetune": {"maintenance": {"learning_rate": 0.01}}}}},
        reinforcing_and_measuring(tasks=["good4"]) | SUMMARIZE,
    ),
    "a rate in its other spelling": ({"pretrain": {"learning_rate": 6.0e-3, "weight_decay": 0.010}}, set()),
    "the sequence": ({"sequence": {"noise": 0.03}}, EVERYTHING),
    "the environment": ({"sequence": {"outcome_of_residue": [*range(8)] * 2}}, EVERYTHING),
    "the device": ({"device": "auto"}, set()),
}

# A file of the code, and the jobs that an edit of it reruns.
EDITS = {
    "workflow_scripts/sweep/figures/impact.py": DRAW,
    "workflow_scripts/splithistory/plots/splithistory.mplstyle": DRAW,
    "workflow_scripts/sweep/figures/schedule.py": DRAW - {"Drawing the figures"},
    "workflow_scripts/sweep/report/page.html": DRAW - {"Drawing the figures"},
    "workflow_scripts/sweep/claims/catalogue.py": SUMMARIZE,
    "workflow_scripts/sweep/summary.py": SUMMARIZE,
    "workflow_scripts/sweep/identification.py": SUMMARIZE,
    "workflow_scripts/splithistory/theory.py": SUMMARIZE,
    "workflow_scripts/splithistory/identification.py": SUMMARIZE,
    "workflow_scripts/splithistory/split_history.py": MEASURE_GENERATOR | measuring() | SUMMARIZE,
    "workflow_scripts/splithistory/maximum_entropy.py": MEASURE_GENERATOR | measuring() | SUMMARIZE,
    "workflow_scripts/splithistory/policy_measurement.py": MEASURE_GENERATOR | measuring() | SUMMARIZE,
    "workflow_scripts/splithistory/self_estimate.py": measuring() | SUMMARIZE,
    "workflow_scripts/splithistory/differential.py": measuring() | measuring_pretrained() | SUMMARIZE,
    "workflow_scripts/splithistory/network_differential.py": measuring() | measuring_pretrained() | SUMMARIZE,
    "workflow_scripts/splithistory/information.py": ALL_MEASURING,
    "workflow_scripts/sweep/windows.py": ALL_MEASURING,
    "workflow_scripts/splithistory/reinforcement.py": reinforcing_and_measuring() | SUMMARIZE,
    "workflow_scripts/splithistory/model.py": EVERYTHING - GENERATE - MEASURE_GENERATOR,
    "workflow_scripts/splithistory/fast_model.py": EVERYTHING - GENERATE - MEASURE_GENERATOR,
    "workflow_scripts/splithistory/extras.py": EVERYTHING - GENERATE - MEASURE_GENERATOR,
    "workflow_scripts/splithistory/__init__.py": EVERYTHING,
    "workflow_scripts/splithistory/sequence.py": EVERYTHING,
    "workflow_scripts/splithistory/environment.py": EVERYTHING,
    "workflow_scripts/sweep/tables.py": EVERYTHING,
    "workflow_scripts/sweep/summary_files.py": MEASURE_GENERATOR | SUMMARIZE,
    "workflow_scripts/sweep/configuration/relations.py": set(),
    "workflow_scripts/sweep/stages.py": SUMMARIZE,
    **{
        f"workflow_scripts/sweep/schemas/{name}.py": jobs
        for name, jobs in {
            "columns": EVERYTHING,
            "sequences": EVERYTHING,
            "checkpoint": EVERYTHING - GENERATE - MEASURE_GENERATOR,
            "pretrain": EVERYTHING - GENERATE - MEASURE_GENERATOR,
            "finetune": reinforcing_and_measuring() | SUMMARIZE,
            "measure": MEASURE_GENERATOR | measuring() | SUMMARIZE,
            "differential": measuring() | measuring_pretrained() | SUMMARIZE,
            "summary": SUMMARIZE,
            "manifest": {"Writing the manifest"},
        }.items()
    },
    "config/config.schema.yaml": set(),
    "README.md": set(),
    "envs/requirements.txt": set(),
    "envs/train.yaml": set(),
}


@pytest.mark.parametrize(("path", "jobs"), EDITS.items(), ids=EDITS)
def test_an_edit_of_the_code_reruns_what_uses_it(copied, path, jobs):
    """Even if only a comment changed, since no tool can tell what a change means."""
    with (copied.folder / path).open("a") as file:
        file.write("\n<!-- -->" if path.endswith(".html") else "\n# A remark.\n")
    run = copied.snakemake("--dry-run")
    assert run.status == 0, run.output
    assert run.jobs == jobs


def test_a_plan_loads_neither_matplotlib_nor_torch(workspace):
    """Each of these takes more than a second to import."""
    code = "import runpy, sys; from contextlib import suppress\n"
    code += "with suppress(SystemExit): runpy.run_module('snakemake', run_name='__main__')\n"
    code += "print('loaded:', *({'matplotlib', 'torch', 'sweep.figures'} & sys.modules.keys()))"
    command = [sys.executable, "-c", code, "--configfile", "config/tiny.yaml", "--cores", "1", "--dry-run"]
    run = subprocess.run(command, cwd=workspace.folder, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "loaded: sweep.figures"


def test_an_edit_that_changes_no_result_can_be_waved_through(copied):
    with (copied.folder / "workflow_scripts/splithistory/model.py").open("a") as file:
        file.write("# A remark.\n")
    assert copied.snakemake("--touch").status == 0
    assert copied.snakemake("--dry-run").jobs == set()


def test_a_clone_elsewhere_with_results_and_records_reruns_nothing(finished, tmp_path):
    """Files of a clone are new, and those of a copy may be in any order of age."""
    copied = finished.copy_to(tmp_path / "deeper" / "and deeper" / "clone")
    files = [path for path in copied.folder.rglob("*") if path.is_file() and ".snakemake" not in path.parts]
    assert len(files) > 200
    for number, path in enumerate(sorted(files, reverse=True)):
        os.utime(path, (time.time() + number, time.time() + number))
    assert copied.snakemake("--dry-run").jobs == set()


@pytest.mark.parametrize(("override", "jobs"), CHANGES.values(), ids=CHANGES)
def test_a_change_reruns_what_depends_on_it(finished, override, jobs):
    run = finished.snakemake("--dry-run", override=override)
    assert run.status == 0, run.output
    assert run.jobs == jobs


# Another configuration in the same folder


def test_policies_of_another_configuration_are_not_replaced_silently(copied, finished):
    """Only files of this sweep that were made differently are named; then they are replaced."""
    override = {
        "sweep": {"sizes": ["tiny"], "tasks": ["good2"]},
        "finetune": {"learning_rate": 0.01},
    }
    run = copied.snakemake("--until", "finetune", override=override)
    assert run.status == 0, run.output
    assert run.jobs == {"Reinforcing tiny, seed 0 on good2"}
    replaced = finetuned_table(RESULTS, "checkpoint", "good2", "tiny", 0)
    message, *after = run.stderr.partition("1 checkpoints in ")[2].splitlines()
    assert message.startswith(f"{RESULTS} were made with another configuration")
    assert "results_dir" in message
    assert [line for line in after if line.startswith("  ")] == ["  tiny, seed 0 on good2"]
    assert changed_tables(copied, finished) == {replaced, replaced.replace("checkpoint", "training")}


def changed_tables(workspace, other):
    return {
        path
        for schema, path in TABLES
        if not read_table(workspace.folder / path, schema).equals(read_table(other.folder / path, schema))
    }


@pytest.mark.parametrize(
    ("override", "until", "replaced"),
    [
        ({"sequence": {"seed": 1}}, [], "all"),
        ({"sequence": {"seed": 1}}, ["sequences"], "none"),
        ({"pretrain": {"learning_rate": 0.01}}, ["pretrain"], "pretrained"),
        ({"finetune": {"learning_rate": 0.01}}, ["finetune"], "policies"),
        ({"measure": {"seed": 5}}, [], "none"),
    ],
)
def test_a_dry_run_names_the_checkpoints_that_would_be_replaced_and_no_others(finished, override, until, replaced):
    run = finished.snakemake("--dry-run", *(["--until", *until] if until else []), override=override)
    assert run.status == 0, run.output
    pretrained = {"{size}, seed {seed}, pretrained".format(**keys) for keys in keys_of(MODEL, SWEEP)}
    policies = {"{size}, seed {seed} on {task}".format(**keys) for keys in keys_of(POLICY, SWEEP)}
    expected = {"all": pretrained | policies, "pretrained": pretrained, "policies": policies, "none": set()}[replaced]
    named = re.findall(r"^  (tiny.+)$", run.stderr, re.MULTILINE)
    assert len(named) == min(len(expected), 5)
    assert expected.issuperset(named)
    assert (f"{len(expected)} checkpoints in {RESULTS} were" in run.stderr) == bool(expected)
    assert ("would be replaced" in run.stderr) == bool(expected)
    assert ("and 1 more" in run.stderr) == (len(expected) == 6)


def test_a_deleted_checkpoint_is_not_announced_as_replaced(copied):
    for path in copied.results.rglob("checkpoint/**/part-0.parquet"):
        path.unlink()
    run = copied.snakemake("--dry-run", override={"sequence": {"seed": 1}})
    assert run.jobs == EVERYTHING
    assert "replaced" not in run.output


# What is asked for, what the closing lines say of it, and what they must not name.
TARGETS = {
    "until": (
        ["--until", "measure_generator"],
        r"^Done\. The requested files are in results/tiny\.$",
        "eport|igures|ummary/",
    ),
    "a file": ([summary_table(RESULTS, "generator")], r"^Done\. The requested files are", "eport|igures|ummary/"),
    "tables": (["summarize"], r"^Done\. Op identifies \d of 4(.|\n)+^Tables: results/tiny/summary$", "eport|igures"),
    "touch": (["--touch", "--forceall"], r"^Report: results/tiny/report\.html\nFigures", "replaced|no record"),
}


@pytest.mark.parametrize(("options", "said", "unsaid"), TARGETS.values(), ids=TARGETS)
def test_the_closing_lines_speak_of_what_was_asked_for(copied, options, said, unsaid):
    (copied.folder / summary_table(RESULTS, "generator")).touch()
    if options[0] != "--touch":
        for name in ("generator", "claims"):
            (copied.folder / summary_table(RESULTS, name)).unlink()
        (copied.results / "report.html").unlink()
    run = copied.snakemake(*options)
    assert run.status == 0, run.output
    closing = run.stderr[run.stderr.index("\nDone. ") :]
    assert re.search(said, closing, re.MULTILINE)
    assert not re.search(unsaid, closing)


@pytest.mark.parametrize("options", [["--dry-run"], ["--summary"], ["--list-rules"], ["--rulegraph", "mermaid-js"]])
def test_what_makes_nothing_says_nothing_of_results(finished, options):
    before = finished.contents()
    run = finished.snakemake(*options)
    assert run.status == 0, run.output
    assert not re.search("^Done|replaced|no record|^Stopped", run.output, re.MULTILINE)
    assert finished.contents() == before


# Mistakes in the configuration

# An override, and the beginnings of all problems that it makes.
MISTAKES = {
    "unknown key": ({"pretrain": {"learnin_rate": 0.1}}, ["pretrain.learnin_rate is not a known key"]),
    "empty good set": ({"tasks": {"good2": {"good": []}}}, ["tasks.good2.good is empty"]),
    "full good set": ({"tasks": {"good2": {"good": list(range(8))}}}, ["tasks.good2.good has 8 entries"]),
    "outcome out of range": ({"tasks": {"good2": {"good": [0, 9]}}}, ["tasks.good2.good[1] is 9"]),
    "indivisible width": ({"sizes": {"tiny": {"d_model": 9}}}, ["sizes.tiny.d_model is 9"]),
    "negative rate": ({"pretrain": {"learning_rate": -0.1}}, ["pretrain.learning_rate is -0.1"]),
    "slash in a name": (
        {"sweep": {"sizes": ["a/b"]}, "sizes": {"a/b": {"d_model": 8, "n_layers": 1, "n_heads": 2, "d_ff": 8}}},
        ["sizes.'a/b' is not a name", "sweep.sizes[0] is 'a/b'"],
    ),
    "undefined name": ({"sweep": {"tasks": ["good3"]}}, ["sweep.tasks[0] is 'good3', which is not defined"]),
    "several at once": (
        {
            "device": "gpu",
            "finetune": {"n_steps": "many", "warmup": 1},
            "sizes": {"tiny2": {"n_heads": 0}},
            "tasks": {"good4": {"good": [8]}},
        },
        [
            "device is 'gpu'",
            "finetune.n_steps is 'many'",
            "finetune.warmup is not a known key",
            "sizes.tiny2.n_heads is 0",
            "tasks.good4.good[0] is 8",
        ],
    ),
}


@pytest.mark.parametrize(("override", "beginnings"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_configuration_runs_and_touches_nothing(copied, override, beginnings):
    before = copied.contents()
    run = copied.snakemake(override=override)
    assert run.status == 1
    assert "Traceback" not in run.output
    assert "nothing was run" in run.output
    problems = [line.removeprefix("  - ") for line in run.output.splitlines() if line.startswith("  - ")]
    assert len(problems) == len(beginnings), problems
    assert all(problem.startswith(beginning) for problem, beginning in zip(problems, beginnings, strict=True)), problems
    assert copied.contents() == before


def test_a_mistake_makes_nothing_in_an_empty_folder(workspace):
    run = workspace.snakemake(override={"device": "gpu"})
    assert run.status == 1
    assert "device is 'gpu'" in run.output
    assert workspace.files() == set()


# Failures


def test_a_truncated_checkpoint_stops_the_sweep_with_a_message(copied):
    pretrained = pretrained_table(RESULTS, "checkpoint", "tiny", 0)
    policy = finetuned_table(RESULTS, "checkpoint", "good2", "tiny", 0)
    content, time_stamp = copied.contents()[pretrained]
    (copied.folder / pretrained).write_bytes(content[: len(content) // 2])
    os.utime(copied.folder / pretrained, ns=(time_stamp, time_stamp))  # as if it had been so all the time
    (copied.folder / policy).unlink()
    others = copied.contents()

    run = copied.snakemake(policy)
    assert run.status == 1
    assert run.jobs == {"Reinforcing tiny, seed 0 on good2"}
    (message,) = (line for line in run.output.splitlines() if line.strip().startswith("error: "))
    assert pretrained in message
    assert "Delete the file and rerun snakemake" in message
    assert "Traceback" not in run.output
    assert "Done." not in run.output
    assert "Stopped: 1 job failed, as shown above. results/tiny keeps what is finished." in run.stderr

    log = f"{RESULTS}/logs/finetune/task=good2/size=tiny/seed=0.log"
    assert run.stderr.count(f"Its log: {log}\n") == 1
    assert len(run.stderr.splitlines()) < 15
    assert "Traceback" in (copied.folder / log).read_text()
    # The failed job's own files are gone, and no temporary is left in their place.
    own = {policy, policy.replace("checkpoint", "training"), log, log.replace(".log", ".tsv")}
    own |= {f"{RESULTS}/logs/configuration.yaml", f"{RESULTS}/logs/run.json"}  # noted at each start
    assert not (copied.folder / policy).exists()
    assert {name: entry for name, entry in copied.contents().items() if name not in own} == {
        name: entry for name, entry in others.items() if name not in own
    }


def test_a_killed_sweep_resumes_and_ends_as_if_undisturbed(copied, finished):
    """Deleted results, a kill without warning while they are made again, and the same command."""
    size = SIZES[0]
    for path in copied.results.rglob(f"size={size}"):
        shutil.rmtree(path)
    (copied.results / "manifest.parquet").unlink()
    process = copied.start(cores=2)
    begun = [copied.results / "logs" / "finetune" / f"task={task}" / f"size={size}" / "seed=0.log" for task in TASKS]
    try:
        wait_until(lambda: process.poll() is not None or any(log.exists() and log.stat().st_size for log in begun))
    finally:
        status = process.poll()
        output = kill_group(process)
    assert status is None, output
    assert f"Pretraining {size}" in output
    missing = [path for _, path in TABLES if not (copied.folder / path).exists()]
    assert finetuned_table(RESULTS, "checkpoint", TASKS[0], size, 0) in missing
    assert pretrained_table(RESULTS, "checkpoint", size, 0) not in missing
    for schema, path in TABLES:
        if path not in missing:
            read_table(copied.folder / path, schema)

    run = copied.snakemake(cores=2)
    assert run.status == 0, run.output
    assert measuring(sizes=[size]) | SUMMARIZE <= run.jobs
    assert not run.jobs & (GENERATE | pretraining() | reinforcing_and_measuring(sizes=SIZES[1:]))
    assert_equal_tables(copied, finished)
    assert copied.files() == finished.files()


@pytest.mark.slow
def test_a_sweep_killed_twenty_times_ends_as_if_undisturbed(workspace, finished):
    """The whole process group is killed at random moments; if a sweep got too far, some of its files are deleted."""
    rng = random.Random(0)
    kills = 0
    while kills < 20:
        process = workspace.start(cores=2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(2, 8))
        killed = process.poll() is None
        output = kill_group(process)
        assert killed or process.returncode == 0, output
        kills += killed
        for schema, path in TABLES:
            if (workspace.folder / path).exists():
                read_table(workspace.folder / path, schema)
                if not killed and rng.random() < 0.7:
                    (workspace.folder / path).unlink()
    run = workspace.snakemake(cores=2)
    assert run.status == 0, run.output
    assert_equal_tables(workspace, finished)
    assert workspace.files() == finished.files()


# Disks


@pytest.fixture
def disk(tmp_path_factory):
    """A small disk: its folder, and a function that remounts it with other options."""
    folder = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a disk cannot be mounted here")
    yield folder, lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_named_and_room_on_it_lets_the_sweep_go_on(copied, finished, disk):
    folder, remount = disk
    for path in copied.results.rglob("*size=tiny2"):
        shutil.rmtree(path)
    remount("size=100m")
    shutil.copytree(copied.results, folder / "tiny")
    shutil.rmtree(copied.results)
    copied.results.symlink_to(folder / "tiny")
    used = shutil.disk_usage(folder).used
    remount(f"size={used + 30_000}")
    run = copied.snakemake()
    assert run.status == 1
    message = next(line for line in run.output.splitlines() if line.strip().startswith("error: "))
    assert "No space left on device" in message
    assert RESULTS in message
    assert "rerun snakemake" in message
    assert "Traceback" not in run.output
    for schema, path in TABLES:
        if (copied.folder / path).exists():
            read_table(copied.folder / path, schema)
    remount("size=100m")
    run = copied.snakemake()
    assert run.status == 0, run.output
    assert_equal_tables(copied, finished)


def test_a_folder_that_cannot_be_written_to_is_named(copied, disk):
    folder, remount = disk
    remount("size=100m")
    shutil.copytree(copied.results, folder / "tiny")
    (folder / "tiny" / "report.html").unlink()
    remount("ro")
    override = {"results_dir": str(folder / "tiny")}
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = copied.snakemake(override=override)
    assert run.status == 1
    assert f"{folder}/tiny is not writable" in run.stderr
    assert "set results_dir to another folder" in run.stderr
    assert "Traceback" not in run.output
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


# Folders


def test_the_working_folder_may_have_any_name(finished, tmp_path):
    copied = finished.copy_to(tmp_path / 'it\'s "my" $HOME & more')
    override = {"figures": {"png_dpi": 50}}
    run = copied.snakemake("--directory", str(copied.folder), override=override)
    assert run.status == 0, run.output
    assert run.jobs == DRAW


def test_the_results_folder_may_have_any_name(workspace, finished):
    results = 'my sweep\'s "results" for me & more'
    override = {"results_dir": results}
    dry = workspace.snakemake("--dry-run", override=override)
    assert dry.status == 0, dry.output
    assert dry.jobs == EVERYTHING
    run = workspace.snakemake("--until", "measure_generator", override=override)
    assert run.status == 0, run.output
    assert run.jobs == {"Generating the test chains"} | MEASURE_GENERATOR
    for schema, path in ((CHAINS, sequence_table(RESULTS, "test")), (GENERATOR, summary_table(RESULTS, "generator"))):
        table = read_table(workspace.folder / path.replace(RESULTS, results), schema)
        assert table.equals(read_table(finished.folder / path, schema)), path
    assert {path.split("/")[0] for path in workspace.files()} == {results}


# Environments


ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))


def rules():
    """Name and text of every rule, and the folder of its file."""
    found = []
    for path in sorted((ROOT / "rules").glob("*.smk")):
        _, *parts = re.split(r"^rule (\w+):$", path.read_text(), flags=re.MULTILINE)
        found += [(name, text, path.parent) for name, text in zip(parts[::2], parts[1::2], strict=True)]
    return found


def test_every_rule_has_a_conda_environment():
    assert {name for name, *_ in rules()} == set(log_names())
    used = set()
    for name, text, folder in rules():
        (conda,) = re.findall(r'^    conda:\n        "(.+)"$', text, re.MULTILINE)
        assert (folder / conda).is_file(), name
        used.add((folder / conda).resolve())
    assert used == set(ENVIRONMENTS)
