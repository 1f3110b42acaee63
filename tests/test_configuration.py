"""The configuration: every mistake gets a message, and settings resolve in the promised order."""

import copy
import json
import math
import re
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from snakemake.utils import update_config

from splithistory.successes import WAYS
from sweep.canonical_json import canonical_json, configuration_hash
from sweep.commands.reference import configuration_page
from sweep.configuration import ConfigurationError, load, validate
from sweep.configuration.schema import SCHEMA_PATH, schema_of
from sweep.stages import architecture_settings, finetune_settings, finetuning, pretrain_settings, summarizing

ROOT = Path(__file__).parents[1]
BASE = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
SCHEMA = yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))
DELETE = object()
GRADED = [0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1]


def changed(changes):
    """The shipped configuration with values put at keys: ``{("sizes", "51k", "d_model"): 50}``, or dotted text."""
    config = copy.deepcopy(BASE)
    for key, value in changes.items():
        *sections, last = key.split(".") if isinstance(key, str) else key
        section = config
        for name in sections:
            section = section.setdefault(name, {})
        if value is DELETE:
            del section[last]
        else:
            section[last] = value
    return config


def problems_of(config):
    with pytest.raises(ConfigurationError) as caught:
        validate(config)
    return caught.value.problems


def merged_with(text):
    """The shipped configuration with an override file merged into it by Snakemake."""
    config = copy.deepcopy(BASE)
    update_config(config, yaml.safe_load(text))
    return config


# A key, the value put there, and the beginning and a later part of the problem that it makes.
BAD = [
    # text
    ("results_dir", "", "results_dir is ''", "expected a folder"),
    ("results_dir", "  ", "results_dir is '  '", "expected a folder"),
    ("results_dir", "/", "results_dir is '/'", "expected a folder"),
    ("results_dir", "results/{size}", "results_dir is 'results/{size}'", "without braces"),
    ("results_dir", "results\n", "results_dir is 'results\\n'", "line breaks"),
    ("results_dir", "~/results", "results_dir is '~/results'", "without ~"),
    ("results_dir", "~user/x", "results_dir is '~user/x'", "without ~"),
    ("results_dir", "$SCRATCH/x", "results_dir is '$SCRATCH/x'", "which only a shell replaces"),
    ("results_dir", "results/${USER}", "results_dir is 'results/${USER}'", "without braces"),
    ("results_dir", "results/$(date)", "results_dir is 'results/$(date)'", "which only a shell replaces"),
    ("results_dir", "results/`date`", "results_dir is 'results/`date`'", "which only a shell replaces"),
    ("results_dir", "%TEMP%/x", "results_dir is '%TEMP%/x'", "which only a shell replaces"),
    ("results_dir", "results/*", "results_dir is 'results/*'", "which only a shell replaces"),
    ("results_dir", "results/a?", "results_dir is 'results/a?'", "which only a shell replaces"),
    ("results_dir", "results/<b>", "results_dir is 'results/<b>'", "without braces, <, >"),
    ("results_dir", 7, "results_dir is 7", 'YAML reads it as a number; write it in quotes: "7"'),
    ("results_dir", None, "results_dir is empty", "such as results/my_sweep"),
    ("device", "gpu", "device is 'gpu'", "expected cpu, cuda or auto"),
    ("device", "CUDA", "device is 'CUDA'", "Did you mean 'cuda'?"),
    ("device", 0, "device is 0", "expected cpu, cuda or auto"),
    ("finetune.successes", "all", "finetune.successes is 'all'", "expected sampled, expected or every"),
    ("finetune.successes", "Every", "finetune.successes is 'Every'", "Did you mean 'every'?"),
    ("finetune.successes", None, "finetune.successes is empty", "expected sampled, expected or every"),
    ("tasks.good4.finetune", {"successes": "expectd"}, "tasks.good4.finetune.successes", "Did you mean 'expected'?"),
    ("finetune.maintenance.random_fraction", 1.5, "finetune.maintenance.random_fraction is 1.5", "from 0 to 1"),
    ("sequence.environment", "ring", "sequence.environment is 'ring'", "expected recurrence"),
    ("sequence.outcome_of_residue", [0] * 16, "sequence.outcome_of_residue is [0, 0, ", "without 1 and 2 and 3 and 4"),
    ("sequence.outcome_of_residue", [0, 1, 2, 3, 4, 5, 6, 7], "sequence.outcome_of_residue", "16 outcomes"),
    ("sequence.outcome_of_residue", [*range(8), *range(1, 9)], "sequence.outcome_of_residue[15] is 8", "from 0 to 7"),
    ("finetune.chance_exponent", -1, "finetune.chance_exponent is -1", "from 0 to 10"),
    ("finetune.action_tokens", "even", "finetune.action_tokens is 'even'", "expected all or odd"),
    ("finetune.action_tokens", True, "finetune.action_tokens is true", "expected all or odd"),
    # names
    ("sweep.sizes", [], "sweep.sizes is empty", "expected a list of names, such as [18k, 51k]"),
    ("sweep.sizes", "18k", "sweep.sizes is '18k'", "Write [18k]."),
    ("sweep.sizes", {"18k": None}, "sweep.sizes is a section", "expected a list of names"),
    ("sweep.sizes", ["18k", "18k"], "sweep.sizes lists '18k' more than once", "every entry once"),
    ("sweep.sizes", ["18k", "52k"], "sweep.sizes[1] is '52k', which is not defined under sizes", "did you mean '51k'?"),
    ("sweep.sizes", ["huge"], "sweep.sizes[0] is 'huge'", "defined there: 18k, 51k, 143k, 402k"),
    ("sweep.sizes", [2024], "sweep.sizes[0] is 2024", 'YAML reads it as a number; write it in quotes: "2024"'),
    ("sweep.sizes", [1e3], "sweep.sizes[0] is 1000.0", "YAML reads it as a number; write it in quotes."),
    ("sweep.sizes", [True], "sweep.sizes[0] is true", "as it does yes, no, on and off"),
    ("sweep.sizes", [date(2024, 1, 2)], "sweep.sizes[0] is 2024-01-02", "YAML reads it as a date"),
    ("sweep.sizes", [None], "sweep.sizes[0] is empty", "expected a name"),
    ("sweep.sizes", ["../18k"], "sweep.sizes[0] is '../18k'", "expected a name of at most 64 letters"),
    ("sweep.tasks", ["good_4"], "sweep.tasks[0] is 'good_4', which is not defined under tasks", "'good4'"),
    ("sweep.tasks", None, "sweep.tasks is empty", "expected a list of names"),
    ("sizes.a b", {**BASE["sizes"]["18k"]}, "sizes.'a b' is not a name", "letters, digits"),
    (("sizes", ".."), {**BASE["sizes"]["18k"]}, "sizes... is not a name", "beginning with a letter or digit"),
    (("sizes", "a/b"), {**BASE["sizes"]["18k"]}, "sizes.'a/b' is not a name", "letters, digits"),
    (("sizes", "18k\n"), {**BASE["sizes"]["18k"]}, "sizes.'18k\\n' is not a name", "letters, digits"),
    (("sizes", "x" * 65), {**BASE["sizes"]["18k"]}, "sizes.'xxx", "at most 64"),
    (("sizes", 2024), {**BASE["sizes"]["18k"]}, "sizes.2024 is a key that YAML reads as a number", '"2024"'),
    (("tasks", True), {"good": [0]}, "tasks.true is a key that YAML reads as true", "in quotes"),
    (("tasks", None), {"good": [0]}, "tasks.null is a key that YAML reads as null", "in quotes"),
    (("tasks", (1, 2)), {"good": [0]}, "tasks.'(1, 2)' is a key", "in quotes"),
    (("tasks", "all"), {"good": [0]}, "tasks.all stands for the fit of all tasks", "such as task_all."),
    (("tasks", "None"), {"good": [0]}, "tasks.None stands for policies that no task", "give it another name"),
    (("tasks", "NA"), {"good": [0]}, "tasks.NA is a name that readers", "take for a missing value"),
    (("sizes", "18000"), {**BASE["sizes"]["18k"]}, "sizes.18000 is a name that readers", "such as size_18000."),
    (("sizes", "x" * 20), {**BASE["sizes"]["18k"]}, "sizes.xxxxxxxxxxxxxxxxxxxx ends with 'x' 20 times", "never end"),
    # seeds and outcomes
    ("sweep.seeds", 4, "sweep.seeds is 4", "Write [4]."),
    ("sweep.seeds", [], "sweep.seeds is empty", "expected a list of whole numbers"),
    ("sweep.seeds", [0, 1, 0], "sweep.seeds lists 0 more than once", "every entry once"),
    ("sweep.seeds", [-1], "sweep.seeds[0] is -1", "from 0 to 2147483647"),
    ("sweep.seeds", [2**31], "sweep.seeds[0] is 2147483648", "from 0 to 2147483647"),
    ("sweep.seeds", [0.5], "sweep.seeds[0] is 0.5", "expected a whole number"),
    ("sweep.seeds", [False], "sweep.seeds[0] is false", "expected a whole number"),
    ("sequence.seed", "0", "sequence.seed is '0'", "Write 0, without quotes"),
    ("tasks.good2.good", [], "tasks.good2.good is empty", "some of the outcomes 0 to 7, but not all"),
    ("tasks.good2.good", list(range(8)), "tasks.good2.good has 8 entries", "but not all"),
    ("tasks.good2.good", [0, 0], "tasks.good2.good lists 0 more than once", "every entry once"),
    ("tasks.good2.good", [8], "tasks.good2.good[0] is 8", "from 0 to 7"),
    ("tasks.good2.good", [0, -1], "tasks.good2.good[1] is -1", "from 0 to 7"),
    ("tasks.good2.good", [True], "tasks.good2.good[0] is true", "expected a whole number"),
    ("tasks.good2.good", "0, 4", "tasks.good2.good is '0, 4'", "Write [0, 4]."),
    ("tasks.good2.good", DELETE, "tasks.good2.good is missing", "such as [0, 4]"),
    # utilities
    ("tasks.good2", {}, "tasks.good2.good is missing, and so is utility", "or a utility, 8 numbers from 0 to 1"),
    ("tasks.good2.utility", GRADED, "tasks.good2 has both good, [0, 4], and utility, [0", "give the task another name"),
    (
        "tasks.graded",
        {"utility": []},
        "tasks.graded.utility is empty",
        "expected 8 numbers from 0 to 1, one per outcome",
    ),
    ("tasks.graded", {"utility": [1]}, "tasks.graded.utility has one entry", "8 numbers from 0 to 1, one per outcome"),
    ("tasks.graded", {"utility": GRADED[:7]}, "tasks.graded.utility has 7 entries", "such as [0, 0.1, 0.3, 0.4"),
    ("tasks.graded", {"utility": [*GRADED, 1]}, "tasks.graded.utility has 9 entries", "8 numbers from 0 to 1"),
    (
        "tasks.graded",
        {"utility": [*GRADED[:7], 1.1]},
        "tasks.graded.utility[7] is 1.1",
        "expected a number from 0 to 1",
    ),
    ("tasks.graded", {"utility": [-0.1, *GRADED[1:]]}, "tasks.graded.utility[0] is -0.1", "a number from 0 to 1"),
    ("tasks.graded", {"utility": [math.nan, *GRADED[1:]]}, "tasks.graded.utility[0] is nan", "a number from 0 to 1"),
    ("tasks.graded", {"utility": [True, *GRADED[1:]]}, "tasks.graded.utility[0] is true", "a number from 0 to 1"),
    ("tasks.graded", {"utility": [None, *GRADED[1:]]}, "tasks.graded.utility[0] is empty", "a number from 0 to 1"),
    ("tasks.graded", {"utility": ["1e-3", *GRADED[1:]]}, "tasks.graded.utility[0] is '1e-3'", "write 1.0e-3 or 0.001"),
    ("tasks.graded", {"utility": 0.5}, "tasks.graded.utility is 0.5", "such as [0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1]."),
    ("tasks.graded", {"utility": None}, "tasks.graded.utility is empty", "8 numbers from 0 to 1"),
    ("tasks.graded", {"utility": {"0": 1}}, "tasks.graded.utility is a section", "8 numbers from 0 to 1"),
    ("tasks.graded", {"utility": [0.5] * 8}, "tasks.graded.utility is 0.5 for every outcome", "two different numbers"),
    ("tasks.graded", {"utility": [0, 0.0] * 4}, "tasks.graded.utility is 0 for every outcome", "something to gain"),
    ("tasks.graded", {"utilty": GRADED, "good": [1]}, "tasks.graded.utilty is not a known key", "'utility'?"),
    # numbers
    ("pretrain.learning_rate", "1e-3", "pretrain.learning_rate is '1e-3'", "write 1.0e-3 or 0.001"),
    ("pretrain.learning_rate", "2.5E-3", "pretrain.learning_rate is '2.5E-3'", "write 2.5e-3 or 0.0025"),
    ("pretrain.learning_rate", 0, "pretrain.learning_rate is 0", "above 0 and at most 1"),
    ("pretrain.learning_rate", -0.1, "pretrain.learning_rate is -0.1", "above 0"),
    ("pretrain.learning_rate", 3, "pretrain.learning_rate is 3", "at most 1"),
    ("pretrain.learning_rate", math.nan, "pretrain.learning_rate is nan", "above 0"),
    ("finetune.maintenance.learning_rate", 0.0, "finetune.maintenance.learning_rate is 0.0", "above 0"),
    ("pretrain.n_steps", "1e3", "pretrain.n_steps is '1e3'", "write 1000"),
    ("sweep.seeds", ["007"], "sweep.seeds[0] is '007'", "Write 7."),
    ("pretrain.n_steps", "many", "pretrain.n_steps is 'many'", "such as 1000."),
    ("pretrain.n_steps", 3000.0, "pretrain.n_steps is 3000.0", "Write 3000, without a decimal point"),
    ("pretrain.n_steps", 0, "pretrain.n_steps is 0", "from 1"),
    ("pretrain.n_steps", 10**400, "pretrain.n_steps is inf", "expected a whole number"),
    ("pretrain.n_steps", True, "pretrain.n_steps is true", "expected a whole number"),
    ("pretrain.batch_size", [256], "pretrain.batch_size is [256]", "expected a whole number"),
    ("pretrain.gradient_clip", math.inf, "pretrain.gradient_clip is inf", "expected a number above 0"),
    ("pretrain.gradient_clip", 0, "pretrain.gradient_clip is 0", "above 0"),
    ("pretrain.weight_decay", -0.01, "pretrain.weight_decay is -0.01", "of at least 0"),
    ("pretrain.dropout", 1, "pretrain.dropout is 1", "of at least 0 and below 1"),
    ("finetune.warmup_fraction", 0, "finetune.warmup_fraction is 0", "above 0 and below 1"),
    ("finetune.anneal_fraction", 0.95, "finetune.anneal_fraction is 0.95, which with", "makes 1.05"),
    ("finetune.anneal_fraction", 1.0, "finetune.anneal_fraction is 1.0", "at least 0 and below 1"),
    ("finetune.warmup_fraction", 1.0, "finetune.warmup_fraction is 1.0", "above 0 and below 1"),
    ("finetune.maintenance.natural_fraction", 1.5, "finetune.maintenance.natural_fraction is 1.5", "from 0 to 1"),
    ("sequence.noise", 1.01, "sequence.noise is 1.01", "from 0 to 1"),
    ("sequence.noise", "2%", "sequence.noise is '2%'", "from 0 to 1"),
    ("sequence.context_length", 15, "sequence.context_length is 15", "from 16"),
    ("sequence.n_train", -5, "sequence.n_train is -5", "from 1"),
    ("measure.n_repeats", 1, "measure.n_repeats is 1", "from 2"),
    ("measure.do_nothing_token", 16, "measure.do_nothing_token is 16", "whole number from 0 to 15"),
    ("measure.n_bootstrap", 0, "measure.n_bootstrap is 0", "from 1"),
    ("figures.png_dpi", 0, "figures.png_dpi is 0", "from"),
    ("figures.png_dpi", 300.5, "figures.png_dpi is 300.5", "whole number from 30 to 1200"),
    # sections
    ("sweep", DELETE, "sweep is missing", "such as {sizes: [18k, 51k], tasks: [good2], seeds: [0, 1]}"),
    ("pretrain", None, "pretrain is empty", "Fill the section, or delete its line"),
    ("sizes", {}, "sizes is empty", "expected a section"),
    ("sizes", ["18k"], "sizes is ['18k']", "expected a section"),
    ("sizes.18k", 18000, "sizes.18k is 18000", "such as {d_model: 64"),
    ("tasks.good2", [0, 4], "tasks.good2 is [0, 4]", "such as {good: [0, 4]}"),
    ("finetune.maintenance", False, "finetune.maintenance is false", "expected a section"),
    ("sizes.18k.n_heads", DELETE, "sizes.18k.n_heads is missing", "such as 4"),
    ("sizes.18k.finetune", None, "sizes.18k.finetune is empty", "delete its line"),
    ("finetune.maintenance.batch_size", DELETE, "finetune.maintenance.batch_size is missing", "whole number"),
    # unknown keys
    ("sizes.18k.d_mode", 8, "sizes.18k.d_mode is not a known key", "did you mean 'd_model'?"),
    ("pretrain.learnin_rate", 0.1, "pretrain.learnin_rate is not a known key", "did you mean 'learning_rate'?"),
    ("seeds", [0], "seeds is not a known key", "did you mean 'sweep.seeds'?"),
    ("sizes.18k.dropout", 0, "sizes.18k.dropout is not a known key", "did you mean 'sizes.18k.pretrain.dropout' or"),
    ("tasks.good2.finetune.maintainance", {}, "tasks.good2.finetune.maintainance is not", "'maintenance'?"),
    (("figures", "png_dpi:50"), "", "figures.'png_dpi:50' is not a known key", "a space after the colon: png_dpi: 50."),
    ("figures.font", "serif", "figures.font is not a known key", "known here: png_dpi"),
    (("figures", 1), 2, "figures.1 is a key that YAML reads as a number", "in quotes"),
    # relations
    ("sizes.51k.d_model", 50, "sizes.51k.d_model is 50", "a multiple of n_heads, which is 4. The next one is 52."),
    ("sequence.chain_length", 21, "sequence.chain_length is 21", "at least context_length + 2 = 22"),
    ("sequence.context_length", 100, "sequence.chain_length is 101", "at least context_length + 2 = 102"),
    ("sequence.n_test", 19999, "sequence.n_test is 19999", "n_contexts_exact = 10 × 2000 = 20000"),
    ("measure.n_contexts_monte_carlo", 2001, "sequence.n_test is 20000", "n_contexts_monte_carlo = 10 × 2001"),
    ("measure.n_contexts_self_estimate", 2001, "sequence.n_test is 20000", "n_contexts_self_estimate = 10 × 2001"),
    ("measure.n_contexts_differential", 20001, "measure.n_contexts_differential is 20001", "is 20000"),
    (
        "sizes.402k.finetune.maintenance.batch_size",
        6000,
        "sizes.402k.finetune.maintenance.batch_size is 6000",
        "expected at most the 128 of finetune.batch_size",
    ),
    ("sizes.18k.finetune.batch_size", 4, "finetune.maintenance.batch_size is 64", "of sizes.18k.finetune.batch_size"),
    (
        "tasks.good2.finetune",
        {"batch_size": 256, "maintenance": {"batch_size": 2048, "natural_fraction": 0.5, "random_fraction": 0.25}},
        "tasks.good2.finetune.maintenance.batch_size is 2048",
        "natural_fraction = 0.5 and tasks.good2.finetune.maintenance.random_fraction = 0.25 leave 768 to the policy",
    ),
    (
        "pretrain.evaluation_interval",
        2001,
        "pretrain.evaluation_interval is 2001",
        "sizes.402k.pretrain.n_steps, which is 2000",
    ),
    ("sizes.18k.pretrain", {"n_steps": 9}, "pretrain.evaluation_interval is 100", "sizes.18k.pretrain.n_steps"),
    ("tasks.good6.finetune", {"n_steps": 9}, "finetune.evaluation_interval is 100", "tasks.good6.finetune.n_steps"),
]


@pytest.mark.parametrize(("key", "value", "beginning", "part"), BAD)
def test_each_mistake_gets_a_message(key, value, beginning, part):
    problems = problems_of(changed({key: value}))
    assert any(problem.startswith(beginning) and part in problem for problem in problems), problems
    assert all("\n" not in problem and len(problem) < 400 for problem in problems)


def test_one_mistake_is_one_problem():
    several = {str(key): found for key, value, *_ in BAD if len(found := problems_of(changed({key: value}))) > 1}
    assert several == {}


def test_every_problem_is_reported_at_once_and_in_order():
    changes = {
        "device": "gpu",
        "pretrain.learning_rate": "1e-3",
        "seqence": {},
        "sizes.51k.d_model": 50,
        "sizes.143k": None,
        "sweep.tasks": ["good2", "god4"],
        "tasks.good6.good": [0, 9],
    }
    with pytest.raises(ConfigurationError) as caught:
        validate(changed(changes))
    starts = [problem.split(" ")[0] for problem in caught.value.problems]
    assert starts == [
        "device",
        "pretrain.learning_rate",
        "seqence",
        "sizes.143k",
        "sizes.51k.d_model",
        "sweep.tasks[1]",
        "tasks.good6.good[1]",
    ]
    heading, *bullets = str(caught.value).splitlines()
    assert heading.startswith("The configuration has 7 problems")
    assert bullets == [f"  - {problem}" for problem in caught.value.problems]


def test_a_problem_hides_none_elsewhere():
    """Relations between sound keys are checked even if other keys are unsound."""
    changes = {"sizes": None, "sequence.n_test": 1, "measure.n_contexts_exact": "2e3", "sweep.tasks": ["x"]}
    problems = problems_of(changed(changes))
    assert [problem.split(" ")[0] for problem in problems] == [
        "measure.n_contexts_differential",
        "measure.n_contexts_exact",
        "sequence.n_test",
        "sizes",
        "sweep.tasks[0]",
    ]


@pytest.mark.parametrize("config", [None, [], "text", 3, {}])
def test_anything_but_a_filled_mapping_is_refused(config):
    assert problems_of(config)


def test_what_only_yaml_can_express():
    nested = []
    nested.append(nested)
    deep = {}
    deep["deep"] = deep
    bomb = ["lol"]
    for _ in range(30):
        bomb = [bomb] * 4
    for value in (nested, deep, bomb, b"bytes", {1, 2}, 1j, 16**5000):
        for key in BASE:
            assert problems_of(changed({key: value}))
        assert problems_of(changed({"sweep.seeds": [value, value]}))


@pytest.mark.parametrize("name", ["quick", "tiny", "graded", "study"])
def test_shipped_sweeps_are_valid(name):
    text = (ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")
    config = merged_with(text)
    validate(config)
    assert config["results_dir"] == f"results/{name}"
    assert_holds_only_what_differs(yaml.safe_load(text), BASE)


def test_the_shipped_configuration_is_valid():
    validate(BASE)


def test_names_may_look_like_anything_that_a_folder_can_be_called():
    for name in ("v1.5", "A_b-c", "1e3k", "0.5B", "3-layers", "nano", "x" * 19, "y1" * 19, "abcd" * 16):
        validate(changed({("sizes", name): BASE["sizes"]["18k"], "sweep.sizes": [name]}))


def test_maintenance_may_exceed_the_rollouts_by_its_natural_and_random_shares():
    maintenance = {"batch_size": 320, "natural_fraction": 0.2, "random_fraction": 0.5, "learning_rate": 0.001}
    validate(changed({"finetune.batch_size": 128, "finetune.maintenance": maintenance}))


def test_every_way_to_reinforce_successes_can_be_configured():
    assert schema_of(("finetune", "successes"))["enum"] == list(WAYS)


@pytest.mark.parametrize("utility", [GRADED, [0.2, 0.2, 0.8, 0.2, 0.2, 0.2, 0.2, 0.2], [0, 1] * 4])
def test_a_utility_may_be_any_numbers_that_are_not_all_equal(utility):
    validate(changed({"tasks.graded": {"utility": utility, "finetune": {"n_steps": 200}}, "sweep.tasks": ["graded"]}))


def test_a_good_set_written_as_a_utility_is_the_same_job():
    good = changed({"tasks.task": {"good": [6, 0, 2]}, "sweep.tasks": ["task"]})
    for utility in ([1, 0, 1, 0, 0, 0, 1, 0], [1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]):
        same = changed({"tasks.task": {"utility": utility}, "sweep.tasks": ["task"]})
        assert canonical_json(finetuning(good, "task", "18k", 0)) == canonical_json(finetuning(same, "task", "18k", 0))
        assert canonical_json(summarizing(good)) == canonical_json(summarizing(same))
    other = changed({"tasks.task": {"utility": [1, 0, 1, 0, 0, 0, 0.9, 0]}})
    assert finetuning(good, "task", "18k", 0) != finetuning(other, "task", "18k", 0)


def assert_holds_only_what_differs(override, base):
    for key, value in override.items():
        if isinstance(value, dict):
            assert_holds_only_what_differs(value, base.get(key, {}))
        else:
            assert key not in base or base[key] != value, f"{key} is as in config.yaml"


@pytest.mark.parametrize("name", ["config.yaml", "config/quick.yaml", "config/tiny.yaml"])
def test_all_tasks_are_reinforced_by_one_rule(name):
    """So an added task is treated like other tasks with the same chance."""
    config = merged_with((ROOT / name).read_text(encoding="utf-8"))
    config["tasks"] |= {"added": {"good": [3]}, "as_good2": {"good": [1, 3]}}
    for size in config["sweep"]["sizes"]:
        by_rule = finetune_settings(config, size, "added")
        assert finetune_settings(config, size, "as_good2") == finetune_settings(config, size, "good2")
        for task in config["sweep"]["tasks"]:
            settings = finetune_settings(config, size, task)
            assert settings | {"n_steps": by_rule["n_steps"]} == by_rule


@pytest.mark.parametrize(
    ("exponent", "n_steps"), [(0, (1000, 1000, 1000)), (0.5, (866, 500, 707)), (1, (750, 250, 500)), (10, (56, 1, 1))]
)
def test_tasks_that_chance_solves_more_often_are_trained_for_fewer_steps(exponent, n_steps):
    config = changed({"finetune.n_steps": 1000, "finetune.chance_exponent": exponent, "sizes.18k.finetune": {}})
    config["tasks"]["graded"] = {"utility": [0, 0, 0, 0.5, 0.5, 1, 1, 1]}
    for task, expected in zip(("good2", "good6", "graded"), n_steps, strict=True):
        assert finetune_settings(config, "18k", task)["n_steps"] == expected


@pytest.mark.parametrize(("name", "overrides"), [("paper", "{}"), ("study", (ROOT / "config/study.yaml").read_text())])
def test_a_published_sweep_has_the_settings_of_its_configuration_file(name, overrides):
    published = yaml.safe_load((ROOT / "docs/sweeps" / name / "configuration.yaml").read_text(encoding="utf-8"))
    assert published == merged_with(overrides)


EXPERIMENTS = sorted((ROOT / "config" / "experiments").glob("*.yaml"))


def variables_of_the_makefile(*names):
    """Lists in the Makefile, each of which is on its own line."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return [re.search(rf"^{name} = (.*)$", makefile, re.MULTILINE).group(1).split() for name in names]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_experiments_start_from_the_pretrained_models_of_the_paper_scale_sweep(path):
    of_study, anew = variables_of_the_makefile("OF_STUDY", "ANEW")
    base = load([ROOT / "config/study.yaml"] if path.stem in of_study else [])
    config = load([*([ROOT / "config/study.yaml"] if path.stem in of_study else []), path])
    assert_holds_only_what_differs(yaml.safe_load(path.read_text()), base)
    assert config["results_dir"] == f"results/experiments/{path.stem}"
    assert (config["sequence"] == BASE["sequence"]) == (path.stem not in anew)
    assert set(config["sweep"]["seeds"]) <= set(BASE["sweep"]["seeds"])
    for size in config["sweep"]["sizes"]:
        assert pretrain_settings(config, size) == pretrain_settings(BASE, size)


def test_drawn_rewards_are_those_that_their_seed_draws():
    tasks = yaml.safe_load((ROOT / "config/experiments/held_out.yaml").read_text())["tasks"]
    rng = np.random.default_rng(19)
    drawn = [sorted(rng.choice(8, rng.integers(2, 7), replace=False).tolist()) for _ in range(3)]
    assert [task["good"] for name, task in tasks.items() if name.startswith("drawn")] == drawn


# The schema


def resolved(schema):
    if "$ref" not in schema:
        return schema
    own = {key: value for key, value in schema.items() if key != "$ref"}
    return {**resolved(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]), **own}


def documented_keys(schema, key=()):
    """Every key of the schema with its entry; NAME stands for the name of a size or task."""
    for name, entry in schema.get("properties", {}).items():
        entry = resolved(entry)
        yield (*key, name), entry
        yield from documented_keys(entry, (*key, name))
    if schema.get("additionalProperties"):
        yield from documented_keys(resolved(schema["additionalProperties"]), (*key, "NAME"))


DOCUMENTED = dict(documented_keys(SCHEMA["$defs"]["overrides"]))


def keys_of(config, key=()):
    for name, value in config.items():
        name = "NAME" if key in (("sizes",), ("tasks",)) else name
        if name != "NAME":
            yield (*key, name), value
        if isinstance(value, dict):
            yield from keys_of(value, (*key, name))


def test_the_schema_itself_is_sound():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("key", DOCUMENTED, ids=".".join)
def test_every_key_has_type_description_and_a_valid_example(key):
    entry = DOCUMENTED[key]
    assert entry["type"]
    assert re.fullmatch(r"[A-Z].+\.", entry["description"], re.DOTALL)
    assert entry["examples"]
    for example in entry["examples"]:
        Draft202012Validator({**entry, "$defs": SCHEMA["$defs"]}).validate(example)
    if entry["type"] == "object":
        assert "additionalProperties" in entry


def test_every_key_of_the_configuration_is_in_the_schema():
    assert {key for key, _ in keys_of(BASE)} <= set(DOCUMENTED)


def test_every_key_but_the_overrides_is_in_the_configuration():
    of_overrides = {key for key in DOCUMENTED if "NAME" in key}
    assert {key for key, _ in keys_of(BASE)} >= set(DOCUMENTED) - of_overrides


def test_defaults_are_the_shipped_values():
    shipped = {key: value for key, value in keys_of(BASE) if "NAME" not in key and not isinstance(value, dict)}
    assert {key: entry.get("default") for key, entry in DOCUMENTED.items() if key in shipped} == shipped


def test_override_files_fit_their_part_of_the_schema():
    partial = Draft202012Validator({"$ref": "#/$defs/overrides", "$defs": SCHEMA["$defs"]})
    for path in (ROOT / "config").glob("*.yaml"):
        if path != SCHEMA_PATH:
            partial.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_every_key_of_config_yaml_is_explained():
    """A comment on the line, or one above its section that names it."""
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    comments = " ".join(re.findall(r"#(.*)", text))
    for key, _ in keys_of(BASE):
        line = re.search(rf"^ *{key[-1]}: .*#", text, re.MULTILINE)
        assert line or re.search(rf"\b{key[-1]}\b", comments) or len(key) == 1, key


def comments_of(text):
    """The comment at the end of a line, by the path of the line's key."""
    path = []
    for line in text.splitlines():
        if entry := re.match(r"( *)([\w.-]+):(?: .*?)?(?:  +# (.*))?$", line):
            depth, name, comment = len(entry[1]) // 2, entry[2], entry[3]
            path[depth:] = [name]
            if comment:
                yield tuple(path), comment


COMMENTS = dict(comments_of((ROOT / "config.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("key", COMMENTS, ids=".".join)
def test_a_comment_of_config_yaml_begins_the_keys_description(key):
    description = DOCUMENTED[key]["description"]
    first, _, _ = description.partition(". ")
    assert COMMENTS[key] == first[0].lower() + first[1:].removesuffix(".") or COMMENTS[key] == first.removesuffix(".")


def test_most_keys_have_a_comment():
    assert len(COMMENTS) > 35


def test_the_reference_page_is_made_from_the_schema():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == configuration_page(), "make it with `make reference`"


# Settings


def test_architecture_settings():
    assert architecture_settings(BASE, "18k") == {
        **{key: BASE["sizes"]["18k"][key] for key in ("d_model", "n_layers", "n_heads", "d_ff")},
        "context_length": BASE["sequence"]["context_length"],
    }


def test_a_size_overrides_general_pretraining():
    config = changed({"sizes.18k.pretrain": {"n_steps": 500}})
    assert pretrain_settings(config, "18k") == {**BASE["pretrain"], "n_steps": 500}
    assert pretrain_settings(changed({"sizes.18k.pretrain": {}}), "18k") == BASE["pretrain"]


def test_a_task_overrides_a_size_which_overrides_the_general_finetuning():
    config = changed(
        {
            "sizes.18k.finetune": {
                "n_steps": 500,
                "chance_exponent": 0,
                "dropout": 0.3,
                "maintenance": {"learning_rate": 0.1, "batch_size": 9},
            },
            "tasks.good2.finetune": {"dropout": 0.4, "maintenance": {"batch_size": 8}},
            "tasks.good4": {"good": [0, 2, 4, 6]},
        }
    )
    before = copy.deepcopy(config)
    maintenance = {**BASE["finetune"]["maintenance"], "learning_rate": 0.1}
    general = {key: value for key, value in BASE["finetune"].items() if key != "chance_exponent"} | {"n_steps": 500}
    assert finetune_settings(config, "18k", "good2") == {
        **general,
        "dropout": 0.4,
        "maintenance": {**maintenance, "batch_size": 8},
    }
    assert finetune_settings(config, "18k", "good4") == {
        **general,
        "dropout": 0.3,
        "maintenance": {**maintenance, "batch_size": 9},
    }
    assert config == before


def test_settings_of_an_undefined_name():
    with pytest.raises(KeyError):
        pretrain_settings(BASE, "52k")
    with pytest.raises(KeyError):
        finetune_settings(BASE, "51k", "good3")


# Canonical JSON

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return tuple(map(reversed_keys, value)) if isinstance(value, list) else value


@given(JSON_VALUES)
def test_canonical_json_keeps_the_value(value):
    assert json.loads(canonical_json(value)) == value


@given(JSON_VALUES)
def test_canonical_json_ignores_the_order_of_keys(value):
    assert canonical_json(reversed_keys(value)) == canonical_json(value)
    assert configuration_hash(reversed_keys(value)) == configuration_hash(value)


@given(JSON_VALUES)
def test_canonical_json_is_a_fixed_point(value):
    assert canonical_json(json.loads(canonical_json(value))) == canonical_json(value)


@given(st.integers(-(2**53), 2**53))
def test_whole_floats_are_integers(number):
    assert canonical_json({"n": float(number)}) == canonical_json({"n": number})


def test_canonical_json_by_example():
    assert canonical_json({"b": [1.0, 0.5, -0.0], "a": {"d": True, "c": None}}) == (
        '{"a":{"c":null,"d":true},"b":[1,0.5,0]}'
    )
    assert canonical_json(True) != canonical_json(1)
    assert configuration_hash({}) == "44136fa355b3678a"
    assert re.fullmatch(r"[0-9a-f]{16}", configuration_hash(BASE))


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf]])
def test_canonical_json_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {None: 1}}, {1, 2}, date(2024, 1, 2)])
def test_canonical_json_refuses_what_json_cannot_hold(value):
    with pytest.raises(TypeError):
        canonical_json(value)


# Fuzzing

YAML_SCALARS = (
    SCALARS
    | st.floats()
    | st.dates()
    | st.binary(max_size=4)
    | st.sampled_from([10**400, "1e-3", "18k", "good2", 0, 1, 8, 16, 256])
)
YAML_KEYS = (
    st.sampled_from(sorted({part for key in DOCUMENTED for part in key}))
    | st.text(max_size=6)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
)
YAML_VALUES = st.recursive(
    YAML_SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(YAML_KEYS, inner, max_size=4),
    max_leaves=10,
)
KEYS = st.sampled_from([key for key, _ in keys_of(BASE) if "NAME" not in key]) | st.sampled_from(
    [("sizes", "18k", *key[2:]) for key in DOCUMENTED if key[:2] == ("sizes", "NAME")]
    + [("tasks", "good2", *key[2:]) for key in DOCUMENTED if key[:2] == ("tasks", "NAME")]
)


def put(config, key, value):
    *sections, last = key
    for name in sections:
        if not isinstance(config.get(name), dict):
            config[name] = {}
        config = config[name]
    config[last] = value


def validates_or_explains(config):
    try:
        validate(config)
    except ConfigurationError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.isprintable() for problem in problems)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(KEYS, st.lists(YAML_KEYS, max_size=1), YAML_VALUES), min_size=1, max_size=4))
def test_any_value_at_any_key_validates_or_is_explained(changes):
    config = copy.deepcopy(BASE)
    for key, more, value in changes:
        put(config, (*key, *more), value)
    validates_or_explains(config)


@settings(max_examples=100, deadline=None)
@given(YAML_VALUES)
def test_any_configuration_validates_or_is_explained(config):
    validates_or_explains(config)
