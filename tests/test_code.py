"""What a script depends on: a change of code reruns the jobs that use it, and no others."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.code import code_version, local_modules

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"


def modules_of(script):
    return {path.relative_to(SCRIPTS).with_suffix("").as_posix() for path in local_modules(SCRIPTS, f"{script}.py")}


def test_training_depends_on_the_model_and_not_on_the_measures_or_figures():
    for script in ("pretrain", "finetune"):
        modules = modules_of(script)
        assert {f"splithistory/{name}" for name in ("model", "fast_model", "optimizer", "sequence")} <= modules
        assert not modules & {"splithistory/split_history", "splithistory/policy_measurement", "sweep/summary"}
        assert not modules & {"splithistory/information", "splithistory/theory", "splithistory/identification"}
        assert not any(module.startswith("sweep/figures") for module in modules)


SCHEMAS_OF = {
    "generate_sequences": {"sequences"},
    "pretrain": {"sequences", "checkpoint", "pretrain"},
    "finetune": {"sequences", "checkpoint", "finetune"},
    "measure": {"sequences", "checkpoint", "measure", "differential"},
    "measure_pretrained": {"sequences", "checkpoint", "differential"},
    "measure_generator": {"sequences", "measure"},
}


@pytest.mark.parametrize(("script", "schemas"), SCHEMAS_OF.items(), ids=SCHEMAS_OF)
def test_a_job_depends_on_the_schemas_of_what_it_reads_and_writes_alone(script, schemas):
    modules = {module.rpartition("/")[2] for module in modules_of(script) if module.startswith("sweep/schemas/")}
    assert modules - {"__init__", "columns"} == schemas


def test_pretraining_does_not_depend_on_reinforcement():
    assert "splithistory/reinforcement" not in modules_of("pretrain")
    assert "splithistory/reinforcement" in modules_of("finetune")


def test_measuring_depends_on_the_measures_and_not_on_training():
    modules = modules_of("measure")
    assert {"splithistory/split_history", "splithistory/policy_measurement", "splithistory/information"} <= modules
    assert "splithistory/network_differential" in modules
    assert not modules & {"splithistory/pretraining", "splithistory/reinforcement", "splithistory/optimizer"}


@pytest.mark.parametrize("script", ["summarize", "generate_sequences", "measure_generator"])
def test_what_trains_nothing_does_not_depend_on_the_model(script):
    assert not modules_of(script) & {"splithistory/model", "splithistory/fast_model"}


@pytest.fixture
def scripts(tmp_path):
    """A copy of the scripts, to be changed."""
    shutil.copytree(SCRIPTS, tmp_path / "workflow_scripts")
    code_version.cache_clear()
    local_modules.cache_clear()
    yield tmp_path / "workflow_scripts"
    code_version.cache_clear()
    local_modules.cache_clear()


def test_the_version_of_code_is_the_same_wherever_it_lies(scripts):
    (scripts / "pretrain.py").touch()
    assert code_version(scripts, "pretrain.py") == code_version(SCRIPTS, "pretrain.py")


@pytest.mark.parametrize(
    ("changed", "script", "other"),
    [
        ("splithistory/reinforcement.py", "finetune.py", "pretrain.py"),
        ("finetune.py", "finetune.py", "measure.py"),
        ("splithistory/information.py", "measure.py", "finetune.py"),
        ("splithistory/theory.py", "summarize.py", "finetune.py"),
        ("splithistory/task.py", "summarize.py", "finetune.py"),
        ("splithistory/plots/splithistory.mplstyle", "draw_figures.py", "summarize.py"),
        ("sweep/report/page.html", "write_report.py", "draw_figures.py"),
        ("sweep/claims/catalogue.py", "summarize.py", "measure.py"),
        ("sweep/schemas/summary.py", "summarize.py", "measure.py"),
        ("sweep/schemas/measure.py", "measure.py", "finetune.py"),
        ("sweep/schemas/finetune.py", "finetune.py", "pretrain.py"),
    ],
)
def test_the_version_of_code_changes_with_what_it_runs_and_nothing_else(scripts, changed, script, other):
    with (scripts / changed).open("a") as file:
        file.write("# A remark.\n")
    assert code_version(scripts, script) != code_version(SCRIPTS, script)
    assert code_version(scripts, other) == code_version(SCRIPTS, other)


def test_only_drawing_and_the_report_depend_on_the_figures():
    for script in {path.stem for path in SCRIPTS.glob("*.py")}:
        drawn = any(module.startswith("sweep/figures") for module in modules_of(script))
        assert drawn == (script in ("draw_figures", "write_report"))


def test_drawing_depends_on_every_module_of_the_figures():
    modules = {path.stem for path in (SCRIPTS / "sweep" / "figures").glob("*.py")}
    modules -= {"svg_metadata", "schedule"}  # the report's
    assert modules_of("draw_figures") >= {f"sweep/figures/{name}" for name in modules}


IMPORT_EACH = """
import sys
for script in sys.argv[1:]:
    __import__(script)
    own = {name for name, module in sys.modules.items() if name.partition(".")[0] in (script, "splithistory", "sweep")}
    print(script, *sorted(own))
    for name in own:
        del sys.modules[name]
"""


def test_all_that_a_script_loads_is_among_its_modules():
    scripts = [path.stem for path in sorted(SCRIPTS.glob("*.py"))]
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, *scripts], cwd=SCRIPTS, capture_output=True, text=True, check=True
    )
    loaded = {script: names for script, *names in map(str.split, result.stdout.splitlines())}
    assert loaded.keys() == set(scripts)
    for script, names in loaded.items():
        assert {name.replace(".", "/") for name in names} <= {
            module.removesuffix("/__init__") for module in modules_of(script)
        }


@pytest.mark.parametrize("script", ["summarize", "measure_generator"])
def test_what_trains_nothing_does_without_torch(script):
    code = f"import sys, {script}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, check=True)


def test_the_script_comes_first_and_every_file_exists():
    paths = local_modules(SCRIPTS, "measure.py")
    assert paths[0] == SCRIPTS / "measure.py"
    assert all(path.is_file() for path in paths)
    assert len(paths) == len(set(paths))
    assert paths[1:] == sorted(paths[1:])


def test_importing_the_package_loads_no_measures():
    code = "import sys, splithistory; print('splithistory.split_history' in sys.modules, splithistory.measure.__name__)"
    result = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "measure"]


@pytest.mark.parametrize("path", sorted((SCRIPTS.parent / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_benchmarks_fit_the_code_that_they_measure(path):
    """Only their imports are checked, since running them takes minutes."""
    environment = {**os.environ, "PYTHONPATH": f"{SCRIPTS}:{path.parent}"}
    subprocess.run([sys.executable, "-c", f"import {path.stem}"], env=environment, check=True)


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SCRIPTS.rglob("*.py")}
FUNCTIONS = [
    (path, node) for path, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
]


def test_no_function_takes_more_than_six_parameters():
    for path, function in FUNCTIONS:
        named = [
            argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        ]
        assert len([name for name in named if name not in ("self", "cls")]) <= 6, f"{path.name}: {function.name}"


def test_no_function_is_called_with_more_than_three_arguments_by_position():
    """Functions that take any number of equal arguments are exempt."""
    variadic = {function.name for _, function in FUNCTIONS if function.args.vararg}
    classes = {node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    own = ({function.name for _, function in FUNCTIONS} | classes) - variadic - {"Table"}  # rich has a Table as well
    for path, tree in TREES.items():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", getattr(call.func, "attr", None))
            assert name not in own or len(call.args) <= 3, f"{path.name}:{call.lineno}: {name}"
