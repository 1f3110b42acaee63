"""Starting Snakemake from other Pythons, profiles, folders and paths, and with damaged files in .snakemake."""

import os
import re
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

from conftest import ROOT, TIMEOUT, Run, environment, sweep_command
from sweep import places
from sweep.commands.adopt import require_own
from sweep.errors import UserError
from sweep.formatting import first_of
from sweep.layout import finetuned_table, sequence_table, summary_table
from sweep.places import folder_problem, one_spelling, started_sweeps, unwritable
from sweep.requirements import PLANNING, RUNNING
from test_workflow import EVERYTHING, MEASURE_GENERATOR, RESULTS, reinforcing_and_measuring

GENERATOR = summary_table(RESULTS, "generator")
CAPTURE = {"capture_output": True, "text": True}


def run_with(folder, *options, python=sys.executable, **variables):
    """Run Snakemake in a folder with other environment variables."""
    command = [python, "-m", "snakemake", "--cores", "1", *map(str, options)]
    done = subprocess.run(
        command, cwd=folder, env=environment() | variables, capture_output=True, text=True, timeout=TIMEOUT
    )
    return Run(done.returncode, done.stdout, done.stderr)


# One spelling of the results folder


@pytest.fixture
def working(tmp_path, monkeypatch):
    """A working folder with results, one link to it and one from it."""
    folder = tmp_path / "deep" / "clone"
    (folder / "results" / "tiny").mkdir(parents=True)
    (tmp_path / "scratch" / "tiny").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    (folder / "elsewhere").symlink_to(tmp_path / "scratch")
    monkeypatch.chdir(folder)
    return tmp_path


@pytest.mark.parametrize(
    "spelt",
    [
        "results/tiny",
        "./results/tiny",
        "results//tiny",
        "results/tiny/",
        "results/./tiny/.",
        "results/other/../tiny",
        "../clone/results/tiny",
        "{}/deep/clone/results/tiny",
        "{}/deep/../deep/clone//results/tiny/",
        "{}/link/results/tiny",
    ],
)
def test_a_folder_has_one_spelling(working, spelt):
    assert one_spelling(spelt.format(working)) == "results/tiny"


@pytest.mark.parametrize("spelt", ["{}/scratch/tiny", "../../scratch/tiny", "{}/scratch/./tiny/"])
def test_a_folder_outside_is_absolute(working, spelt):
    assert one_spelling(spelt.format(working)) == f"{working}/scratch/tiny"


@pytest.mark.parametrize("spelt", [".", "./", "{}/link", "results/.."])
def test_the_working_folder_itself_is_absolute(working, spelt):
    """Snakemake does not accept paths that begin with './'."""
    assert one_spelling(spelt.format(working)) == f"{working}/deep/clone"


def test_a_link_inside_is_kept_and_results_may_be_one(working):
    assert one_spelling("elsewhere/tiny") == "elsewhere/tiny"
    shutil.rmtree("results")
    Path("results").symlink_to(working / "scratch")
    assert one_spelling("results/tiny") == "results/tiny"
    assert one_spelling(f"{working}/scratch/tiny") == "results/tiny"


@pytest.mark.parametrize("spelt", ["./results//tiny/", "{}/results/tiny"])
def test_another_spelling_of_the_same_folder_has_nothing_to_be_done(finished, spelt):
    run = finished.snakemake("--dry-run", override={"results_dir": spelt.format(finished.folder)})
    assert run.jobs == set()
    assert "no record" not in run.output


# Python


def test_what_must_be_installed_is_what_the_code_imports():
    paths = [*(ROOT / "workflow_scripts").rglob("*.py"), ROOT / "rules" / "common.smk"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    imported = set(re.findall(r"^ *(?:import|from) (\w+)(?: import|\.|$| as)", text, re.MULTILINE))
    own = {"sweep", "splithistory", "snakemake", "snakemake_interface_logger_plugins"}  # comes with Snakemake
    assert imported - sys.stdlib_module_names - own == {*PLANNING, *RUNNING}


def test_missing_packages_are_one_sentence(workspace):
    """In a Python whose search for packages is narrowed to those of the standard library and Snakemake's."""
    code = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name in ('grimp', 'torch') else find(name, *more)\n"
        "import runpy; runpy.run_module('snakemake', run_name='__main__')\n"
    )
    command = [sys.executable, "-c", code, "--cores", "1", "--dry-run", "--configfile", "config/tiny.yaml"]
    done = subprocess.run(command, cwd=workspace.folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert re.match(r"The Python that runs Snakemake, \S+, lacks grimp, torch: install them with `\S+ -m pip", message)
    assert f"{workspace.folder}/envs/requirements.txt" in message
    assert "Traceback" not in done.stderr
    conda = subprocess.run([*command, "--use-conda"], cwd=workspace.folder, env=environment(), **CAPTURE)
    assert "lacks grimp: install" in conda.stderr


def test_an_older_snakemake_is_refused_with_the_version_needed(workspace):
    code = "import runpy, snakemake.common; snakemake.common.__version__ = '9.0.0'\n"
    code += "runpy.run_module('snakemake', run_name='__main__')\n"
    command = [sys.executable, "-c", code, "--cores", "1", "--dry-run", "--configfile", "config/tiny.yaml"]
    done = subprocess.run(command, cwd=workspace.folder, env=environment(), **CAPTURE)
    assert done.returncode == 1
    assert re.search(
        r"Expecting Snakemake version 9\.\d+\.0 or higher \(you are currently using 9\.0\.0\)", done.stdout
    )


def test_jobs_do_without_the_variables_of_another_python(workspace, tmp_path):
    """A numpy that cannot be loaded, no folder of the script in the path, and no `python` in PATH."""
    (tmp_path / "foreign" / "numpy").mkdir(parents=True)
    (tmp_path / "foreign" / "numpy" / "__init__.py").write_text("raise ImportError('for Python 2.7')")
    (tmp_path / "foreign" / "tqdm.py").write_text("raise ImportError('for Python 2.7')")
    variables = {"PYTHONPATH": str(tmp_path / "foreign"), "PYTHONSAFEPATH": "1", "PYTHONOPTIMIZE": "2"}
    run = run_with(workspace.folder, GENERATOR, "--configfile", "config/tiny.yaml", PATH="/usr/bin:/bin", **variables)
    assert run.status == 0, run.output
    assert run.jobs == {"Generating the test chains"} | MEASURE_GENERATOR


@pytest.mark.parametrize("variables", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii"}])
def test_what_a_terminal_cannot_show_is_shown_plainly(finished, variables):
    variables = environment() | variables | {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    variables["PYTHONPATH"] = str(finished.folder / "workflow_scripts")
    for command in ("watch", "verify"):
        screen = subprocess.run(
            [sys.executable, "-m", "sweep", command, "--configfile", "config/tiny.yaml"],
            cwd=finished.folder,
            env=variables,
            capture_output=True,
        )
        assert (screen.returncode, screen.stderr) == (0, b"")
        assert b"results/tiny" in screen.stdout
    assert run_with(finished.folder, "--dry-run", "--configfile", "config/tiny.yaml", **variables).status == 0


# Profiles


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], r"own profile: cores: \d+ instead of 1, printshellcmds: False instead of True\. "),
        (["--printshellcmds", "--cores", "3"], None),
        (["--workflow-profile", "none"], None),
    ],
)
def test_what_a_profile_of_the_user_sets_in_vain_is_said(workspace, tmp_path, options, said):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("cores: 1\nprintshellcmds: true\nlatency-wait: 7\n")
    command = [sys.executable, "-m", "snakemake", "--profile", tmp_path / "mine", "-n", *options]
    done = subprocess.run(
        [*command, "--configfile", "config/tiny.yaml"], cwd=workspace.folder, env=environment(), **CAPTURE
    )
    assert done.returncode == 0, done.stdout
    assert ("win over your own profile: " in done.stderr) == (said is not None)
    assert said is None or re.search(said, done.stderr)


# Imported by another workflow

IMPORT = """
import yaml

module sweep:
    snakefile: "{clone}/Snakefile"
    config: yaml.safe_load(open("{clone}/config/tiny.yaml"))
    {prefix}

use rule * from sweep as sweep_*

rule all:
    default_target: True
    input: rules.sweep_all.input

rule count:
    input: rules.sweep_measure_generator.output
    output: "{{name}}.txt"
    shell: "cat {{input}} | wc -c > {{output}}; false | true || touch failed"
"""


@pytest.mark.parametrize("prefix", ["", "part/"])
def test_another_workflow_imports_this_one(workspace, tmp_path_factory, prefix):
    folder = tmp_path_factory.mktemp("importing")
    text = IMPORT.format(clone=workspace.folder, prefix=prefix and f'prefix: "{prefix}"')
    (folder / "Snakefile").write_text(text)
    dry = run_with(folder, "--dry-run")
    assert dry.status == 0, dry.output
    assert dry.jobs == EVERYTHING
    run = run_with(folder, "counted.txt")
    assert run.status == 0, run.output
    assert run.output.count("Measuring the sequence's own generator") == 1
    assert (folder / prefix / GENERATOR).exists()
    assert (folder / "counted.txt").exists()
    assert (folder / "failed").exists()  # the importing workflow's jobs run as ever: a failing pipe fails
    assert not (workspace.folder / "results").exists()


def test_a_mistake_in_a_modules_configuration_is_one_message(workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("importing")
    text = IMPORT.format(clone=workspace.folder, prefix="")
    text = text.replace(f'yaml.safe_load(open("{workspace.folder}/config/tiny.yaml"))', 'dict(device="gpu")')
    (folder / "Snakefile").write_text(text)
    run = run_with(folder, "--dry-run")
    assert run.status == 1
    assert "device is 'gpu'" in run.stderr
    assert "Traceback" not in run.output


# Batches


def test_batches_are_parts_of_the_policies_and_the_last_one_finishes(copied):
    shutil.rmtree(copied.results)
    jobs = [copied.snakemake("--dry-run", "--batch", f"all={number}/3").jobs for number in (1, 2)]
    assert [len(of_batch & reinforcing_and_measuring()) for of_batch in jobs] == [4, 4]
    assert (jobs[0] & jobs[1]) <= EVERYTHING - reinforcing_and_measuring()
    assert not any(of_batch & {"Summarizing all policies", "Writing the report"} for of_batch in jobs)


def test_the_last_batch_has_the_rest(copied):
    (copied.results / "manifest.parquet").unlink()
    for table in (copied.results / "finetuned").glob("*/task=good4/size=tiny2/seed=0/part-0.parquet"):
        table.unlink()
    last = copied.snakemake("--dry-run", "--batch", "all=2/2").jobs
    assert "Measuring tiny2, seed 0 on good4" in last
    assert "Writing the manifest" in last


def test_batches_of_another_rule_are_refused_with_the_reason(finished):
    run = finished.snakemake("--dry-run", "--batch", "summarize=1/2")
    assert run.status == 1
    assert "use --batch all=1/2" in run.stderr
    assert "Traceback" not in run.output


# Odd files


@pytest.mark.parametrize("place", ["results", RESULTS, f"{RESULTS}/finetuned", f"{RESULTS}/logs"])
@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_stands_in_the_place_of_a_folder_is_named(workspace, tmp_path_factory, place, kind):
    purged = tmp_path_factory.mktemp("scratch") / "purged"
    path = workspace.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "link":
        path.symlink_to(purged)
    else:
        path.write_text("no folder")
    run = workspace.snakemake("--until", "sequences" if place != f"{RESULTS}/finetuned" else "finetune")
    assert run.status == 1
    assert "Traceback" not in run.output
    assert place in run.stderr
    assert kind == "file" or f"{place} is a link to {purged}, which does not exist" in run.stderr


def record_of(workspace, path):
    name = urlsafe_b64encode(path.encode()).decode()
    return workspace.folder / ".snakemake" / "metadata" / (name if len(name) < 255 else f"@{name[:254]}/{name[254:]}")


@pytest.mark.parametrize("spoilt", [bytes(range(256)), b"[1, 2]", b'{"input": 5}', b"", b"null"])
def test_a_spoilt_record_of_snakemake_is_said_and_passed_over(copied, spoilt):
    for path in (sequence_table(RESULTS, "test"), f"{RESULTS}/report.html"):
        assert record_of(copied, path).exists()
        record_of(copied, path).write_bytes(spoilt)
    run = copied.snakemake("--dry-run")
    assert run.status == 0, run.output
    assert "Traceback" not in run.output
    assert "no record" in run.stderr
    for option in ("--summary", "--list-changes=code"):
        assert copied.snakemake(option).status == 0


def test_records_may_be_in_a_database(workspace):
    chains, options = sequence_table(RESULTS, "test"), ("--persistence-backend", "db")
    assert workspace.snakemake(chains, *options).status == 0
    again = workspace.snakemake(chains, "--dry-run", *options)
    assert again.jobs == set()
    assert "no record" not in again.stderr
    (workspace.folder / ".snakemake" / "metadata.db").write_bytes(bytes(range(256)) * 20)
    spoilt = workspace.snakemake(chains, "--dry-run", *options)
    assert spoilt.status == 1
    assert "database of records is damaged (file is not a database). Delete it" in spoilt.stderr
    assert "Traceback" not in spoilt.output


def test_files_of_somebody_else_are_not_adopted(tmp_path, monkeypatch):
    paths = [str(tmp_path / name) for name in "abc"]
    for path in paths:
        Path(path).touch()
    require_own(paths)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UserError, match=f"3 files, such as {paths[0]}, belong to .+cp -R"):
        require_own(paths)


# Which sweep was started last


def test_sweeps_are_found_however_deep_and_outside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elsewhere = tmp_path / "far" / "away"
    folders = ["results", "results/mine/deep/er", "results/experiments/held_out", elsewhere]
    for age, folder in enumerate(folders):
        path = tmp_path / folder / "logs" / "configuration.yaml"
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (1000 + age, 1000 + age))
    found = [tmp_path / folder for folder in folders]
    assert [path.parents[1] for path in started_sweeps(tmp_path / "clone")] == found[:3]
    (tmp_path / "clone").mkdir()
    places.remember_sweep(tmp_path / "clone", str(elsewhere))
    assert [path.parents[1] for path in started_sweeps(tmp_path / "clone")] == found
    shutil.rmtree(elsewhere)
    assert [path.parents[1] for path in started_sweeps(tmp_path / "clone")] == found[:3]


def test_a_sweep_that_was_moved_is_watched_where_it_lies(finished, tmp_path):
    shutil.copytree(finished.results, tmp_path / "results" / "mine" / "moved")
    screen = sweep_command(tmp_path, "watch")
    assert screen.status == 0, screen.stderr
    assert screen.stdout.startswith("results/mine/moved")
    assert "Finished." in screen.stdout


# What verify prints


def test_verify_has_a_whole_line_for_each_file_and_counts_what_is_missing(copied, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    policy = finetuned_table(RESULTS, "checkpoint", "good2", "tiny", 0)
    (copied.folder / policy).write_bytes(b"spoilt")
    shutil.rmtree(copied.results / "figures")
    screen = copied.sweep("verify", "--configfile", "config/tiny.yaml")
    lines = screen.stdout.splitlines()
    assert screen.status == 1
    assert any(line.startswith(f"{policy}: ") for line in lines)
    missing = [line for line in lines if line.endswith(": missing. Rerun snakemake to make it")]
    assert len(missing) == 5
    assert all(line.startswith(f"{RESULTS}/figures/") for line in missing)
    assert any(re.fullmatch(r"\.\.\. and \d\d other files missing", line) for line in lines)
    assert len(lines) < 20


def test_a_list_is_cut_after_the_first_few():
    assert first_of(["a", "b"], most=2) == ["a", "b"]
    assert first_of(["a", "b", "c"], most=2) == ["a", "b", "and 1 more"]


def test_a_folder_in_which_files_can_be_made_has_no_problem(tmp_path):
    assert folder_problem(str(tmp_path / "not" / "yet")) is None
    assert unwritable(str(tmp_path / "not" / "yet")) is None
