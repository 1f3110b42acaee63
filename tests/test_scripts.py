"""The scripts without Snakemake: problems with files are reported on screen, and nothing is left half done."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, TIMEOUT, Run, wait_until
from sweep.layout import finetuned_table, pretrained_table, sequence_table, summary_table
from sweep.provenance import METADATA_KEY, metadata_of, provenance, with_metadata
from sweep.schemas.checkpoint import CHECKPOINT
from sweep.stages import FINETUNE, PRETRAIN
from sweep.tables import read_table

SCRIPTS = ROOT / "workflow_scripts"
REMEDY = "Delete the file and rerun snakemake to recreate it"
POLICY = {"task": "good2", "size": "tiny", "seed": 0}
MODEL = {"size": "tiny", "seed": 0}


@dataclass
class Job:
    """A script with the arguments of one job of the tiny sweep, on inputs of a finished one.

    Args:
        script: file name without extension.
        inputs: files by option.
        outputs: files by option; a whole folder of results where the script takes one.
        made: the output in the finished sweep whose settings the job takes.
        options: the others.
        log: its log.
        settings: what differs from the settings in ``made``, of one section.
    """

    script: str
    inputs: dict[str, Path]
    outputs: dict[str, Path]
    made: Path
    options: dict[str, str]
    log: Path
    settings: dict = field(default_factory=dict)

    def command(self):
        settings = metadata_of(pq.read_schema(self.made), self.made)["settings"]
        for section, changes in self.settings.items():
            settings[section] |= changes
        options = {
            "settings": json.dumps(settings),
            "code": "0",
            "log": self.log,
            **self.options,
            **self.inputs,
            **self.outputs,
        }
        command = [sys.executable, SCRIPTS / f"{self.script}.py"]
        for option, value in options.items():
            command += [f"--{option}", str(value)]
        return command

    def run(self):
        command = self.command()
        done = subprocess.run(command, cwd=self.log.parent, capture_output=True, text=True, timeout=TIMEOUT)
        return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def job_of(copied):
    """The job of a script; it reads the finished sweep's files and writes elsewhere, except to a folder of results."""
    results = copied.results
    new = copied.folder / "new"
    new.mkdir()
    state = copied.folder / "state"
    splits = {split: Path(sequence_table(results, split)) for split in ("train", "validation", "test")}
    learning = {split: splits[split] for split in ("train", "validation")}
    pretrained = Path(pretrained_table(results, "checkpoint", **MODEL))
    policy = Path(finetuned_table(results, "checkpoint", **POLICY))
    measured = Path(finetuned_table(results, "measured", **POLICY))

    def outputs(*names):
        return {name: new / name / "part-0.parquet" for name in names}

    jobs = {
        "generate_sequences": ({}, outputs("chains"), splits["train"], {}),
        "pretrain": (learning, outputs("checkpoint", "training"), pretrained, {"state": state, "device": "cpu"}),
        "finetune": (
            {"pretrained": pretrained, **learning},
            outputs("checkpoint", "training"),
            policy,
            {"state": state, "device": "cpu"},
        ),
        "measure": (
            {"checkpoint": policy, "pretrained": pretrained, "test": splits["test"]},
            outputs("success", "measured", "actions", "bootstrap", "self-estimate", "differential"),
            measured,
            {"device": "cpu"},
        ),
        "measure_pretrained": (
            {"checkpoint": pretrained, "test": splits["test"]},
            outputs("differential"),
            Path(pretrained_table(results, "differential", **MODEL)),
            {},
        ),
        "measure_generator": (
            {"test": splits["test"]},
            outputs("generator"),
            Path(summary_table(results, "generator")),
            {},
        ),
        "summarize": ({}, {"results": results}, Path(summary_table(results, "policies")), {}),
        "write_manifest": ({}, {"results": results, **outputs("manifest")}, results / "manifest.parquet", {}),
    }

    def job(script):
        inputs, written, made, options = jobs[script]
        return Job(script, inputs, written, made, options, copied.folder / "job.log")

    return job


def assert_fails_cleanly(job, folder, *said):
    """Exit status 1, a message of one paragraph that says what is expected of it, the traceback in the log alone."""
    before = contents(folder)
    run = job.run()
    assert run.status == 1
    assert run.stderr.startswith("error: ")
    for text in said:
        assert text in run.stderr, run.stderr
    assert "Traceback" not in run.output
    assert "Traceback" in job.log.read_text()
    after = contents(folder)
    del after[job.log]
    assert after == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Ways to spoil a file.


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path):
    path.write_bytes(b"")


def fill_with_garbage(path):
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def flip_bits_of_the_footer(path):
    content = bytearray(path.read_bytes())
    content[-200:-150] = bytes(byte ^ 0xFF for byte in content[-200:-150])
    path.write_bytes(content)


def replace_by_another_table(path):
    pq.write_table(pa.table({"city": ["Oslo"], "rain": [760]}), path)


def strip_of_metadata(path):
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)


def drop_a_tensor(path):
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def set_a_parameter_to_nan(path):
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[0]["values"][0] = float("nan")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def claim_another_architecture(path):
    table = pq.read_table(path)
    metadata = json.loads(table.schema.metadata[METADATA_KEY])
    metadata["architecture"] |= {"n_layers": 1}
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata)}), path)


@pytest.mark.parametrize(
    "spoil",
    [
        truncate,
        empty,
        fill_with_garbage,
        flip_bits_of_the_footer,
        replace_by_another_table,
        strip_of_metadata,
        drop_a_tensor,
        set_a_parameter_to_nan,
        claim_another_architecture,
    ],
)
def test_a_spoilt_checkpoint_is_named_with_the_remedy(job_of, tmp_path, spoil):
    job = job_of("finetune")
    spoil(job.inputs["pretrained"])
    assert_fails_cleanly(job, tmp_path, str(job.inputs["pretrained"]), REMEDY)


@pytest.mark.parametrize(
    ("script", "option"), [("pretrain", "train"), ("finetune", "validation"), ("measure", "checkpoint")]
)
def test_any_truncated_input_is_named_with_the_remedy(job_of, tmp_path, script, option):
    job = job_of(script)
    truncate(job.inputs[option])
    assert_fails_cleanly(job, tmp_path, str(job.inputs[option]), REMEDY)


@pytest.mark.parametrize("script", ["summarize", "write_manifest"])
@pytest.mark.parametrize("spoil", [truncate, replace_by_another_table])
def test_a_spoilt_table_among_the_results_is_named_with_the_remedy(job_of, tmp_path, script, spoil):
    job = job_of(script)
    path = Path(finetuned_table(job.outputs["results"], "measured", **POLICY))
    spoil(path)
    assert_fails_cleanly(job, tmp_path, str(path), REMEDY)


def of_another_configuration(path):
    table = pq.read_table(path)
    made_by = metadata_of(table.schema, path)
    settings = made_by["settings"] | {"seed": 41}
    pq.write_table(with_metadata(table, made_by | provenance(settings, "0")), path)


@pytest.mark.parametrize(
    ("script", "option"),
    [
        ("pretrain", "validation"),
        ("finetune", "train"),
        ("finetune", "pretrained"),
        ("measure", "checkpoint"),
        ("measure", "pretrained"),
        ("measure_pretrained", "checkpoint"),
        ("measure_pretrained", "test"),
        ("measure_generator", "test"),
    ],
)
def test_an_input_of_another_configuration_is_named_with_what_differs(job_of, tmp_path, script, option):
    job = job_of(script)
    of_another_configuration(job.inputs[option])
    assert_fails_cleanly(job, tmp_path, str(job.inputs[option]), "seed is 41", "another configuration", REMEDY)


def test_all_inputs_of_another_configuration_are_named_at_once(job_of, tmp_path):
    job = job_of("finetune")
    for path in job.inputs.values():
        of_another_configuration(path)
    assert_fails_cleanly(job, tmp_path, *map(str, job.inputs.values()))


def test_a_policys_table_of_another_configuration_is_not_summarized(job_of, tmp_path):
    job = job_of("summarize")
    path = Path(finetuned_table(job.outputs["results"], "measured", **POLICY))
    of_another_configuration(path)
    assert_fails_cleanly(job, tmp_path, str(path), "seed is 41", REMEDY)


def test_a_missing_input_is_named_with_the_remedy(job_of, tmp_path):
    job = job_of("measure_generator")
    job.inputs["test"].unlink()
    assert_fails_cleanly(job, tmp_path, str(job.inputs["test"]), "no such file", "Rerun snakemake")


def test_chains_that_are_too_few_are_an_error(job_of, tmp_path):
    job = job_of("measure_generator")
    table = pq.read_table(job.inputs["test"])
    pq.write_table(with_metadata(table.slice(0, 7), metadata_of(table.schema, "")), job.inputs["test"])
    assert_fails_cleanly(job, tmp_path)


def test_an_output_folder_that_cannot_be_made_is_named(job_of, tmp_path):
    job = job_of("generate_sequences")
    job.outputs["chains"].parent.write_text("a file in the place of the folder")
    assert_fails_cleanly(job, tmp_path, str(job.outputs["chains"].parent), "rerun snakemake")


def test_a_device_that_is_not_there_is_named(job_of, tmp_path):
    job = job_of("pretrain")
    job.options["device"] = "cuda"
    assert_fails_cleanly(job, tmp_path, "cuda")


def test_a_job_repeated_by_hand_makes_the_same_table(job_of):
    """The control for the failures above: the undamaged job succeeds, and writes nothing but its outputs."""
    job = job_of("finetune")
    folder = job.log.parent
    before = set(contents(folder))
    run = job.run()
    assert (run.status, run.output) == (0, "")
    assert set(contents(folder)) - before == {job.log, *job.outputs.values()}
    assert read_table(job.outputs["checkpoint"], CHECKPOINT).equals(read_table(job.made, CHECKPOINT))
    assert "Traceback" not in job.log.read_text()


@pytest.mark.parametrize("changes", [{"learning_rate": 1e30}, {"weight_decay": 1e30}])
@pytest.mark.parametrize("script", ["pretrain", "finetune"])
def test_a_training_that_diverges_says_what_to_lower_and_leaves_nothing(job_of, tmp_path, script, changes):
    job = job_of(script)
    job.options["state"] = job.options["state"].with_name(f"{script},size=tiny,seed=0")
    job.settings = {script: changes | {"evaluation_interval": 1}}
    (key,) = changes
    assert_fails_cleanly(
        job, tmp_path, f"{script}, size=tiny, seed=0: the training diverged by step ", f"{script}.{key} (now 1e+30)"
    )


@pytest.mark.parametrize(("script", "spoilt"), [("pretrain", False), ("finetune", False), ("finetune", True)])
def test_a_training_killed_midway_goes_on_and_ends_as_if_undisturbed(job_of, script, spoilt):
    """If the state that it left is damaged, it starts from the beginning and says so."""
    job = job_of(script)
    job.settings = {script: {"n_steps": 1500, "evaluation_interval": 100}}
    outputs = job.outputs.values()
    assert job.run().status == 0
    undisturbed = [read_table(path, schema_of(script, path)) for path in outputs]
    for path in outputs:
        path.unlink()

    states = job.options["state"].parent
    process = subprocess.Popen(job.command(), stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: process.poll() is not None or list(states.glob(f"{job.options['state'].name},*")))
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -9
    assert not any(path.exists() for path in outputs)

    (state,) = states.glob(f"{job.options['state'].name},*")
    if spoilt:
        content = bytearray(state.read_bytes())
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    run = job.run()
    assert run.status == 0
    assert run.output.startswith(f"warning: discarding {state}, so training starts from the beginning: ") == spoilt
    for path, expected in zip(outputs, undisturbed, strict=True):
        table = read_table(path, schema_of(script, path))
        assert table.equals(expected)
        made_by, expected_by = metadata_of(table.schema, path), metadata_of(expected.schema, path)
        assert made_by["resumed_at"] == 0 if spoilt else 100 <= made_by["resumed_at"] < 1500
        assert expected_by["resumed_at"] == 0
        for key in ("resumed_at", "seconds"):
            del made_by[key], expected_by[key]
        assert made_by == expected_by
    assert not list(states.glob(f"*{job.options['state'].name},*"))


def schema_of(script, path):
    stage = {"pretrain": PRETRAIN, "finetune": FINETUNE}[script]
    return stage.tables[path.parent.name]


# Two signals, as Ctrl-C and Snakemake send them, that both arrive while no Python code runs.
TWO_SIGNALS = """
import os, signal, time
from sweep.stopping import stop_on_signals

stop_on_signals()
job = os.getpid()
if not os.fork():
    time.sleep(0.1)
    for each in (signal.SIGINT, signal.SIGTERM):
        os.kill(job, each)
    os._exit(0)
try:
    sum(range(100_000_000))
finally:
    for _ in range(100_000):  # while Python looks for the second
        pass
"""


def test_two_signals_at_once_stop_a_job_without_a_word():
    command = [sys.executable, "-c", TWO_SIGNALS]
    stopped = subprocess.run(command, cwd=ROOT / "workflow_scripts", capture_output=True, text=True, timeout=TIMEOUT)
    assert stopped.returncode in (130, 143)
    assert (stopped.stdout, stopped.stderr) == ("", "")
