"""Reports of what YAML would drop or read differently, and of files that are not configurations."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.cli import parse_config
from snakemake.utils import update_config

from sweep.configuration import ConfigurationError, check, files, load, validate
from sweep.configuration.schema import schema_errors, validator
from sweep.errors import UserError

BASE = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text(encoding="utf-8"))


def problems_of(tmp_path, text, name="mine.yaml"):
    """Problems of a file without its path."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [problem.removeprefix(f"{path}, ") for problem in files.read(path)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("device: cpu\ndevice: cuda\n", ["line 2: device is written twice, first on line 1"]),
        ("sweep:\n  seeds: [0]\nsweep:\n  sizes: [18k]\n", ["line 3: sweep is written twice, first on line 1"]),
        ("tasks: {a: {good: [1]}, 'a': {good: [2]}}", ["line 1: tasks.a is written twice, first on line 1"]),
        ('{"sweep": {"seeds": [0]},\n\t"sweep": {}}', ["line 2: sweep is written twice, first on line 1"]),
        (
            "sweep: {seeds: [0, 007]}",
            ["line 1: sweep.seeds[1] is 007, which YAML reads as 7; write 7, in plain digits."],
        ),
        ("sweep:\n  seeds:\n  - 010\n", ["line 3: sweep.seeds[0] is 010, which YAML reads as 8; write 10 or 8"]),
        ("sweep: {seeds: [0x10, 1_000]}", ["line 1: sweep.seeds[0] is 0x10, which", "line 1: sweep.seeds[1] is 1_000"]),
        ("sequence: {seed: 1:30}", ["line 1: sequence.seed is 1:30, which YAML reads as 90; write 90"]),
        ("pretrain: {learning_rate: 1_0.5}", ["line 1: pretrain.learning_rate is 1_0.5, which YAML reads as 10.5"]),
        ("device: cpu\nsweep: {seeds: [01]}\ndevice: cpu\n", ["line 2: sweep.seeds[0]", "line 3: device is written"]),
        ("sweep: {seeds: [0, 10, -1, +2], sizes: ['007']}\npretrain: {learning_rate: 1.0e-3, dropout: .5}", []),
        ("a: &a {n_steps: 1}\npretrain: {<<: *a, n_steps: 2}", []),  # what is merged in may be overridden
        ("other: {x: 1, x: 2, mode: 0755}", []),  # of another workflow; validation refuses it where it is ours
    ],
)
def test_what_yaml_would_hide_is_told_with_its_line(text, expected, tmp_path):
    problems = problems_of(tmp_path, text)
    assert len(problems) == len(expected)
    assert all(problem.startswith(beginning) for problem, beginning in zip(problems, expected, strict=True)), problems


@given(st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_as_programs_write_it_is_in_plain_digits(number):
    for text in (yaml.safe_dump(number), json.dumps(number)):
        text = text.split("\n")[0]
        if isinstance(yaml.safe_load(text), int | float):  # 1e-07 is text to YAML
            assert files.plain_number(text) == number


def nested(levels):
    return "sizes: " + "{a: " * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"- a\n- b\n", "holds a list; expected keys and values"),
        (b"hello", "holds a single value"),
        (b"", "is empty; expected keys and values"),
        (b"# device: cpu", "is empty; expected keys and values"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"a: [1,\nb: 2\n", "line 3: not YAML"),
        (b"a: \x00", "not YAML"),
        (b"a: 2024-13-45", "not YAML: month must be in 1..12"),
        (b"a: !!python/object/apply:os.system [ls]", "line 1: not YAML: could not determine a constructor"),
        (b"sizes: &x\n  b: *x\n", "an alias stands for what it is a part of"),
        (b"sizes: &x [*x]\n", "an alias stands for what it is a part of"),
        (nested(2000).encode(), "nested more than 50 levels deep"),
        (b"sizes: " + b"[" * 2000, "nested more than 50 levels deep"),
        (
            "".join(
                f"a{i}: &a{i} [{', '.join(['*a' + str(i - 1)] * 9 if i else ['1'])}]\n" for i in range(12)
            ).encode(),
            "its aliases stand for more than 3,000,000 values",
        ),
    ],
)
def test_what_is_no_configuration_is_refused_in_one_message(content, expected, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load([path])
    message = str(caught.value)
    assert message.startswith(str(path))
    assert expected in message
    assert "\n" not in message


def test_a_folder_and_a_missing_file_are_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="Is a directory; expected a configuration file"):
        load([tmp_path])
    with pytest.raises(UserError, match=r"none\.yaml: No such file or directory"):
        load([tmp_path / "none.yaml"])


def test_problems_of_files_come_with_all_others(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("sweep: {seeds: [010]}\nfigures: {png_dpi: 1}\n")
    with pytest.raises(ConfigurationError) as caught:
        load([path])
    assert [problem.partition(" is ")[0] for problem in caught.value.problems] == [
        f"{path}, line 1: sweep.seeds[0]",
        "figures.png_dpi",
    ]


def given_on_the_command_line(*entries):
    """A configuration as Snakemake puts it together from ``--config``."""
    config, command_line = copy.deepcopy(BASE), parse_config(list(entries))
    update_config(config, command_line)
    check(config, [], given=command_line)
    return config


def test_parts_of_sections_can_be_given_on_the_command_line():
    config = given_on_the_command_line(
        "sweep={seeds: [0, 11], sizes: [18k]}",
        "figures={png_dpi: 50}",
        "finetune={maintenance: {learning_rate: 1.0e-3}}",
    )
    assert config["sweep"] == BASE["sweep"] | {"seeds": [0, 11], "sizes": ["18k"]}
    assert config["figures"] == {"png_dpi": 50}
    assert config["finetune"]["maintenance"]["learning_rate"] == 0.001


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("sweep={seeds: [007]}", "sweep.seeds[0] is '007'; expected a whole number"),
        ("sweep={seeds: [0x10]}", "sweep.seeds[0] is '0x10'; expected a whole number"),
        ("sweep={seeds: 4}", "Write [4]."),
        ("sweep={seeds: [0, x]}", "sweep.seeds[1] is 'x'; expected a whole number"),
        ("figures={png_dpi:50}", "write a space after the colon: png_dpi: 50."),
        ("figures=50", "figures is 50; expected a section"),
        ("sweep=seeds", "sweep is 'seeds'; expected a section"),
        ("tasks={all: {good: [0]}}", "tasks.all stands for the fit of all tasks"),
    ],
)
def test_mistakes_on_the_command_line_are_told_as_those_of_files(entry, expected):
    with pytest.raises(ConfigurationError) as caught:
        given_on_the_command_line(entry)
    (problem,) = caught.value.problems
    assert expected in problem
    assert "quotes" not in problem


def test_thousands_of_problems_are_not_all_listed():
    with pytest.raises(ConfigurationError) as caught:
        validate(BASE | {"tasks": BASE["tasks"] | {f"a b{number}": {"good": [0]} for number in range(300)}})
    assert str(caught.value).startswith("The configuration has 300 problems")
    assert caught.value.problems[-1] == "and 250 more."


def test_tasks_that_are_alike_are_related_to_each_size_once():
    """A mistake in the general settings is reported once, one in a task's own settings with that task."""
    config = copy.deepcopy(BASE)
    config["finetune"]["evaluation_interval"] = 10_000
    config["tasks"] |= {f"plain{number}": {"good": [0]} for number in range(50)}
    config["tasks"]["own"] = {"good": [1], "finetune": {"n_steps": 5}}
    with pytest.raises(ConfigurationError) as caught:
        validate(config)
    assert sum("tasks.own.finetune.n_steps" in problem for problem in caught.value.problems) == 1
    assert len(caught.value.problems) < 8


TASKS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "a b", "d" * 70]),
    st.sampled_from([{"good": [0]}, {"good": [0, 9]}, {"good": [0], "finetune": {"n_step": 5}}, {"utility": [1]}, 3]),
)


@settings(max_examples=30)
@given(TASKS)
def test_every_task_is_validated_however_many_are_written_alike(tasks):
    config = BASE | {"tasks": BASE["tasks"] | tasks}
    told, expected = (
        sorted((error.json_path, error.message) for error in errors)
        for errors in (schema_errors(config), validator().iter_errors(config))
    )
    assert told == expected
    assert bool(told) == any(name in ("a b", "d" * 70) or entry != {"good": [0]} for name, entry in tasks.items())
