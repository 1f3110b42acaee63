"""A results folder is checked against its configuration, and adopted where it is sound."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT
from sweep.configuration import load
from sweep.layout import csv_beside, finetuned_table, pretrained_table, sequence_table, summary_table
from sweep.provenance import METADATA_KEY, metadata_of, provenance, with_metadata
from sweep.verification import examine
from test_workflow import CHANGES, RESULTS, SUMMARIZE, measuring_pretrained, pretraining, reinforcing_and_measuring

TINY = ROOT / "config" / "tiny.yaml"
CHAINS = sequence_table(RESULTS, "train")
PRETRAINED = pretrained_table(RESULTS, "checkpoint", "tiny", 0)
POLICY = finetuned_table(RESULTS, "checkpoint", "good2", "tiny", 0)
MEASURED = finetuned_table(RESULTS, "measured", "good2", "tiny", 0)
POLICIES = summary_table(RESULTS, "policies")
POLICIES_CSV, GENERATOR_CSV = (csv_beside(summary_table(RESULTS, name)) for name in ("policies", "generator"))
MANIFEST = f"{RESULTS}/manifest.parquet"
SVG, PNG = (f"{RESULTS}/figures/op_vs_predicted.{format}" for format in ("svg", "png"))
REPORT = f"{RESULTS}/report.html"


@pytest.fixture
def examined(copied, monkeypatch):
    monkeypatch.chdir(copied.folder)
    return lambda *overrides: examine(load([TINY, *overrides]), RESULTS, copied.folder / "workflow_scripts")


def run(command, workspace):
    return workspace.sweep(command, "--configfile", "config/tiny.yaml")


def test_nothing_is_wrong_with_a_finished_sweep(examined):
    found = examined()
    assert (found.problems, found.missing, found.notes) == ({}, [], {})
    assert found.current == found.expected
    assert len(found.expected) > 100


# Ways to spoil a file, and the beginning of what is said of it.
EDITED = "its values are not those that it was written with, so they were edited. Delete the file and rerun snakemake"


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def fill_with_garbage(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def with_another_value(path):
    table = pq.read_table(path)
    column = table.schema.get_field_index("values" if "values" in table.column_names else "op")
    value = table.column(column).to_pylist()
    value[0] = [0.5, *value[0][1:]] if isinstance(value[0], list) else 0.5
    field = table.schema.field(column)
    return table.set_column(column, field, pa.array(value, field.type))


def edit_a_value(path):
    pq.write_table(with_another_value(path), path)


def write_another_value(path):
    """Write another value with a matching checksum, as another run might."""
    table = with_another_value(path)
    pq.write_table(with_metadata(table, metadata_of(table.schema, path)), path)


def leave_out_the_checksum(path):
    """Write the table as earlier versions did."""
    table = pq.read_table(path)
    made_by = metadata_of(table.schema, path)
    del made_by["checksum"]
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(made_by)}), path)


def make_a_rate_impossible(path):
    table = pq.read_table(path)
    column = table.schema.get_field_index("success_rate")
    field = table.schema.field(column)
    table = table.set_column(column, field, [[1.5] * table.num_rows])
    pq.write_table(with_metadata(table, metadata_of(table.schema, path)), path)


def claim_another_configuration(path):
    table = pq.read_table(path)
    made_by = metadata_of(table.schema, path)
    pq.write_table(
        with_metadata(table, made_by | provenance(made_by["settings"] | {"seed": 41}, made_by["code"])), path
    )


def claim_other_code(path):
    table = pq.read_table(path)
    pq.write_table(with_metadata(table, metadata_of(table.schema, path) | {"code": "0"}), path)


def drop_a_row(path):
    table = pq.read_table(path).slice(1)
    pq.write_table(with_metadata(table, metadata_of(table.schema, path)), path)


@pytest.mark.parametrize(
    ("path", "spoil", "said"),
    [
        (CHAINS, truncate, "not a readable Parquet file"),
        (PRETRAINED, fill_with_garbage, "not a readable Parquet file"),
        (POLICY, write_another_value, "its values differ from those in the manifest"),
        (POLICY, edit_a_value, EDITED),
        (PRETRAINED, claim_another_configuration, "made by another configuration: seed is 41, expected 0"),
        (MEASURED, claim_other_code, "made by other code (version 0"),
        (MEASURED, write_another_value, "its values differ from those in the manifest"),
        (MEASURED, edit_a_value, EDITED),
        (POLICIES, edit_a_value, EDITED),
        (MEASURED, leave_out_the_checksum, "carries no checksum, so an older version of this workflow made it"),
        (POLICIES, make_a_rate_impossible, "not a valid 'summary/policies' table"),
        (POLICIES_CSV, truncate, f"does not match {POLICIES}. Delete the file and rerun snakemake"),
        (GENERATOR_CSV, fill_with_garbage, "does not match"),
        (MANIFEST, drop_a_row, f"does not list {CHAINS}"),
        (MANIFEST, truncate, "not a readable Parquet file"),
        (SVG, truncate, "carries no provenance"),
        (PNG, truncate, "carries no provenance"),
        (REPORT, fill_with_garbage, "carries no provenance"),
    ],
)
def test_a_spoilt_file_is_named_with_what_is_wrong(copied, examined, path, spoil, said):
    spoil(copied.folder / path)
    found = examined()
    assert any(problem.startswith(said) for problem in found.problems[path]), found.problems
    assert path not in found.current
    assert MANIFEST not in found.current


def test_what_was_made_from_another_table_than_lies_there_is_wrong(copied, examined):
    write_another_value(copied.folder / PRETRAINED)
    found = examined()
    for path in (POLICY, MEASURED, pretrained_table(RESULTS, "differential", "tiny", 0)):
        assert any(text.startswith("was made from another") and PRETRAINED in text for text in found.problems[path])
    assert finetuned_table(RESULTS, "checkpoint", "good2", "tiny2", 0) in found.current


@pytest.mark.parametrize("path", [CHAINS, POLICY, POLICIES, SVG, REPORT, MANIFEST])
def test_a_missing_file_is_named_and_what_rests_on_it_is_not_current(copied, examined, path):
    (copied.folder / path).unlink()
    found = examined()
    assert found.missing == [path]
    assert path not in found.current
    assert (MEASURED in found.current) == (path in (POLICIES, SVG, REPORT, MANIFEST))


def test_an_edited_module_makes_what_it_made_outdated(copied, examined):
    with (copied.folder / "workflow_scripts/splithistory/reinforcement.py").open("a") as module:
        module.write("# A remark.\n")
    from sweep.code import code_version, local_modules

    code_version.cache_clear()
    local_modules.cache_clear()
    found = examined()
    assert found.problems.keys() == {
        finetuned_table(RESULTS, name, task, size, 0)
        for name in ("checkpoint", "training")
        for task in ("good2", "good4")
        for size in ("tiny", "tiny2")
    }
    assert PRETRAINED in found.current
    assert MEASURED not in found.current


def test_another_configuration_is_seen_in_all_that_depends_on_it(examined, tmp_path):
    override = tmp_path.with_suffix(".yaml")
    override.write_text("finetune: {learning_rate: 0.01}")
    found = examined(override)
    rate = load([TINY])["finetune"]["learning_rate"]
    assert any(f"finetune.learning_rate is {rate}, expected 0.01" in problem for problem in found.problems[POLICY])
    assert PRETRAINED not in found.problems
    assert {POLICY, MEASURED, POLICIES, SVG, REPORT, MANIFEST} <= found.problems.keys()


def test_policies_that_the_configuration_does_not_name_are_noted(copied, examined):
    for stage in ("checkpoint", "measured"):
        shutil.copytree(
            (copied.results / f"finetuned/{stage}/task=good2"), copied.results / f"finetuned/{stage}/task=other"
        )
    (copied.results / "state").mkdir(exist_ok=True)
    (copied.results / "state" / "pretrain,size=tiny,seed=7,0.pt").touch()
    left = copied.results / "figures" / ".op_vs_success.svg.0123abcd.tmp"
    left.touch()
    found = examined()
    assert found.problems == {}
    assert [path for path in found.notes if "task=other" in path]
    assert [path for path in found.notes if path.endswith(".pt")]
    assert "left by a killed run" in found.notes[str(left.relative_to(copied.folder))]
    assert len(found.notes) == 6


def test_verifying_prints_one_table_and_fails_only_if_something_is_wrong(copied):
    good = run("verify", copied)
    assert (good.status, good.stderr) == (0, "")
    assert "0 are wrong or missing" in good.stdout
    truncate(copied.folder / PRETRAINED)
    (copied.folder / SVG).unlink()
    bad = run("verify", copied)
    assert bad.status == 1
    assert "2 are wrong or missing" in bad.stdout
    for text in ("pretrained/checkpoint", "readable Parquet file", "op_vs_predicted.svg", "missing"):
        assert text in bad.stdout
    assert "Traceback" not in bad.output


def test_an_edited_table_is_neither_published_nor_summarized_nor_adopted(copied):
    """It stays unusable until it is deleted and remade, as the message says."""
    edit_a_value(copied.folder / MEASURED)
    said = f"error: {MEASURED}: {EDITED} to recreate it\n"
    folder = copied.folder / "published"
    published = copied.sweep("publish", "--configfile", "config/tiny.yaml", "--folder", folder)
    assert (published.status, published.stderr) == (1, said)
    assert not folder.exists()
    (copied.folder / POLICIES).unlink()
    summarized = copied.snakemake()
    assert summarized.status == 1
    assert said in summarized.output
    assert "Traceback" not in summarized.output
    assert not (copied.folder / POLICIES).exists()
    assert MEASURED in run("adopt", copied).stdout.partition("will be rebuilt")[2]
    (copied.folder / MEASURED).unlink()
    assert "Measuring tiny, seed 0 on good2" in copied.snakemake("--dry-run").jobs


@pytest.mark.parametrize(
    ("section", "name", "other"),
    [
        ("versions", "torch", "2.12.0"),
        ("processor", "processor", "Another processor"),
        ("processor", "instruction set", "DEFAULT"),
    ],
)
def test_tables_of_different_versions_or_processors_are_noted(copied, examined, section, name, other):
    table = pq.read_table(copied.folder / MEASURED)
    made_by = metadata_of(table.schema, MEASURED)
    ours = made_by[section][name]
    made_by[section] |= {name: other}
    pq.write_table(with_metadata(table, made_by), copied.folder / MEASURED)
    found = examined()
    assert found.problems == {}
    assert found.notes == {
        RESULTS: f"made with more than one version or processor: {name} {', '.join(sorted([ours, other]))}"
    }


# Taking over


@pytest.fixture
def alone(copied):
    """Results without Snakemake's records, as a copy from elsewhere."""
    shutil.rmtree(copied.folder / ".snakemake")
    return copied


def test_a_run_says_that_it_has_no_record_of_the_results(alone, finished):
    assert "make adopt" in alone.snakemake("--dry-run").stderr
    assert "make adopt" not in finished.snakemake("--dry-run").stderr


def test_it_says_so_too_where_it_has_records_of_another_folder(copied):
    name = "a long name " * 20  # whose record's name would be too long for a file
    shutil.copytree(copied.results, copied.folder / name)
    assert "make adopt" in copied.snakemake("--dry-run", override={"results_dir": name}).stderr
    copied.snakemake("--touch", "--forceall", override={"results_dir": name})
    assert "make adopt" not in copied.snakemake("--dry-run", override={"results_dir": name}).stderr


def test_results_that_were_adopted_are_not_made_again_unless_something_changes(alone):
    before = {name: content for name, (content, _) in alone.contents().items()}
    adopted = run("adopt", alone)
    assert (adopted.status, adopted.stderr) == (0, "")
    assert "will be rebuilt" not in adopted.stdout
    assert alone.snakemake("--dry-run").jobs == set()
    assert {name: content for name, (content, _) in alone.contents().items()} == before
    for change in ("the good outcomes of a task", "how policies are measured", "two values, swapped"):
        override, jobs = CHANGES[change]
        assert alone.snakemake("--dry-run", override=override).jobs == jobs


def test_what_cannot_be_adopted_is_made_again_with_all_that_rests_on_it(alone):
    claim_another_configuration(alone.folder / PRETRAINED)
    adopted = run("adopt", alone)
    assert adopted.status == 0, adopted.output
    assert PRETRAINED in adopted.stdout.partition("will be rebuilt")[2]
    assert finetuned_table(RESULTS, "checkpoint", "good2", "tiny2", 0) not in adopted.stdout
    assert alone.snakemake("--dry-run").jobs == (
        pretraining(["tiny"]) | measuring_pretrained(["tiny"]) | reinforcing_and_measuring(sizes=["tiny"]) | SUMMARIZE
    )


def test_chains_of_another_configuration_are_not_adopted(alone):
    claim_another_configuration(alone.folder / CHAINS)
    run("adopt", alone)
    jobs = alone.snakemake("--dry-run").jobs
    assert "Generating the train chains" in jobs
    assert pretraining() <= jobs
    assert "Generating the test chains" not in jobs


def test_an_unfinished_folder_is_adopted_as_far_as_it_goes(alone):
    for path in (MEASURED, MANIFEST, REPORT):
        (alone.folder / path).unlink()
    run("adopt", alone)
    assert alone.snakemake("--dry-run").jobs == {"Measuring tiny, seed 0 on good2"} | SUMMARIZE
