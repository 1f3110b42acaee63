"""What the README and the pages in docs/ show is what there is."""

import doctest
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.collections import PathCollection
from scipy.stats import spearmanr
from snakemake.utils import update_config

import splithistory
from conftest import ROOT
from splithistory.task import good_mask
from sweep.configuration import validate
from sweep.figures import figure_names
from sweep.figures.drawing import draw
from sweep.figures.marks import FigureStyle

README = (ROOT / "README.md").read_text()
WORKFLOW = (ROOT / "docs/workflow.md").read_text()


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_table_of_rules_is_the_workflows_own_graph():
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--configfile", "config/tiny.yaml"]
    command += ["--", "figures"]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rules = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = {(rules[start], rules[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", graph)}
    shown = re.findall(r"^\| `(\w+)` \| (.*?)\| ", WORKFLOW, re.MULTILINE)
    assert {rule for rule, _ in shown} == set(rules.values())
    assert {(start, rule) for rule, sources in shown for start in re.findall(r"`(\w+)`", sources)} == edges


def test_the_example_of_a_task_of_ones_own_is_valid():
    (example,) = blocks("yaml", WORKFLOW)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for text in [(ROOT / "config/quick.yaml").read_text(), example]:
        update_config(config, yaml.safe_load(text))
    validate(config)
    assert config["sweep"]["tasks"][-1] == "odd"


def test_the_example_of_a_policy_of_ones_own_gives_what_it_says():
    (example,) = [block for block in blocks("python") if "splithistory.measure" in block]
    names = {}
    exec(example, names)
    assert np.isclose(names["futures"].op, np.log(4))
    assert np.isclose(names["futures"].imp, np.log(4))


def printed(page, capsys, change=lambda example: example):
    """What the examples of a page print, run one after the other, beside what it says; and the names they leave."""
    examples, said = blocks("python", page), blocks("text", page)
    names, outputs = {}, []
    for example in examples:
        exec(change(example), names)
        outputs.append(capsys.readouterr().out)
    return outputs, said, names


@pytest.mark.parametrize(("name", "n_examples"), [("tutorial", 9), ("experiments", 11)])
def test_a_page_prints_what_it_says(name, n_examples, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    outputs, said, _ = printed((ROOT / "docs" / f"{name}.md").read_text(), capsys)
    assert outputs == said
    assert len(said) == n_examples


def test_the_worked_examples_print_what_they_say_and_draw_what_is_shown(capsys, monkeypatch, tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)  # where the page leaves its figure
    page = (ROOT / "docs" / "worked-examples.md").read_text()
    outputs, said, _ = printed(page, capsys)
    assert [output for output in outputs if output] == said
    assert len(said) == 17
    drawn, shown = (
        re.findall(r"fill: (#\w{6})", (folder / "answers.svg").read_text())
        for folder in (tmp_path, ROOT / "docs" / "worked-examples")
    )
    assert drawn == shown
    assert len(set(drawn)) > 50
    reasons = re.findall(r'"((?:infinite|not\s+promoted): [^"{]+)"', page)
    folder = ROOT / "workflow_scripts" / "sweep"
    given = (folder / "summary.py").read_text() + (folder / "identification.py").read_text()
    assert [f'"{" ".join(reason.split())}"' in given for reason in reasons] == [True, True]


@pytest.mark.parametrize(
    ("name", "title", "row"),
    [
        (
            "pretraining",
            "## Pretraining",
            "{size} | {batch_size} | {learning_rate:g} | {dropout:g} | {n_steps:,} | {core_seconds:.0f} | "
            "{seconds_to_030:.0f} | {validation_loss:.3f}",
        ),
        (
            "training_set",
            "## A finite training set",
            "{size} | {n_train:,} | {dropout:g} | {train_loss:.3f} | {validation_loss:.3f} | {success_rate:.3f}",
        ),
        (
            "reinforcement",
            "## Cheaper reinforcement",
            "{task} | {size} | {n_steps:,} | {batch_size} | {learning_rate:g} / {maintenance_learning_rate:g} "
            "({maintenance_batch_size}) | {core_seconds:.0f} | {success_rate:.3f} | {natural_loss:.2f} | "
            "{maintenance_loss:.2f} | {reinforcement_loss:.2f}",
        ),
        (
            "successes",
            "## Every success",
            "{size} | {task} | {successes} | {n_steps:,} | {dropout:g} | {n_own} + {n_random} + {n_natural} | "
            "{core_seconds:.0f} | {success_rate:.3f} | {op:.3f} | {op_predicted:.3f} | {op_self:.3f} | {imp:.3f} | "
            "{imp_self:.3f} | {natural_loss:.2f}",
        ),
        (
            "rollouts",
            "## Rollouts",
            "{size} | {task} | {action_tokens} | {pretrain_dropout:g} | {learning_rate:g} / "
            "{maintenance_learning_rate:g} | {n_own} + {n_random} + {n_natural} | {core_seconds:.0f} | "
            "{success_rate:.3f} | {success_rate_rollouts:.3f} | {success_rate_counterfactual_rollouts:.3f} | "
            "{op_rollouts:.3f} | {op_predicted_rollouts:.3f} | {imp_rollouts:.3f} | {imp_minimum_rollouts:.3f} | "
            "{natural_loss:.2f}",
        ),
        (
            "steps",
            "## Steps",
            "{size} | {task} | {seed} | {pretrain_n_steps:,} | {n_steps:,} | {learning_rate:g} / "
            "{maintenance_learning_rate:g} | {core_seconds:.0f} | {success_rate:.3f} | {op:.3f} | {op_predicted:.3f} | "
            "{natural_loss:.2f}",
        ),
    ],
)
def test_the_tables_of_trials_are_those_of_the_files(name, title, row):
    page = (ROOT / "docs" / "tuning.md").read_text()
    _, _, section = page.partition(title)
    shown = re.findall(r"^\| (\w*\d+k? \|.*) \|$", section.partition("\n## ")[0], re.MULTILINE)
    trials = pd.read_csv(ROOT / "docs" / "tuning" / f"{name}.csv").to_dict("records")
    assert len(shown) >= 8
    assert set(shown) <= {re.sub(r"\bnan\b", "–", row.format_map(trial)) for trial in trials}


def test_what_trials_of_successes_show_is_in_their_table():
    trials = pd.read_csv(ROOT / "docs" / "tuning" / "successes.csv")
    _, _, section = (ROOT / "docs" / "tuning.md").read_text().partition("## Every success")
    said = " ".join(section.partition("\n## ")[0].split())
    light, heavy = trials[trials["n_steps"] == 700], trials[trials["n_steps"] == 1500].set_index("task")
    of_way = light[(light["task"] == "good2") & (light["dropout"] == 0)].set_index("successes")["success_rate"]
    ways = [of_way[way] for way in ("sampled", "expected", "every")]
    assert "the three ways end at {:.3f}, {:.3f} and {:.3f} on".format(*ways) in said
    (with_dropout,) = trials.loc[trials["dropout"] == 0.1, "success_rate"]
    assert f"does not help ({with_dropout:.3f})" in said
    good6 = trials[trials["task"] == "good6"].set_index("n_steps")
    beyond = good6["op"] - good6["op_predicted"]
    assert f"half the steps reach {good6['success_rate'][350]:.3f}" in said
    assert f"by {beyond[350]:.3f} instead of {beyond[700]:.3f} nats" in said
    held_out = trials.loc[trials["task"].str.startswith("["), "success_rate"]
    assert "learnt as well: {:.3f}, {:.3f} and {:.3f}".format(*held_out) in said
    for measure in ("op", "imp"):
        shares = 100 * heavy[f"{measure}_self"] / heavy[measure]
        assert "{:.0f} %, {:.0f} % and {:.0f} %".format(*shares[["good2", "good4", "good6"]]) in said
    assert f"{heavy['core_seconds'].mean() / light['core_seconds'].mean():.1f} times the cost" in said


def test_what_trials_of_steps_show_is_in_their_table():
    trials = pd.read_csv(ROOT / "docs" / "tuning" / "steps.csv")
    _, _, section = (ROOT / "docs" / "tuning.md").read_text().partition("## Steps")
    said = " ".join(section.partition("\n## ")[0].split())
    trials["beyond"] = trials["op"] - trials["op_predicted"]
    six = trials.query("size == '143k' and task == 'good6' and pretrain_n_steps == 2500").set_index("n_steps")
    rates, beyond = six["success_rate"], six["beyond"]
    assert f"in {rates[200]:.3f} of windows after 200 steps and in {rates[325]:.3f} after 325" in said
    assert f"with {beyond[200]:.3f} and {beyond[325]:.3f} nats" in said
    quick = trials.query("pretrain_n_steps < 2000")
    squares = ((quick["op"] - y) ** 2 for y in (quick["op_predicted"], quick["op"].mean()))
    about_line, about_mean = (square.sum() for square in squares)
    assert f"an R² about y = x of {1 - about_line / about_mean:.3f}" in said
    smallest = trials.query("size == '18k' and task == 'good4' and seed == 100").set_index(["learning_rate", "n_steps"])
    slow, slow_for_longer, fast = (smallest["success_rate"][key] for key in ((0.008, 780), (0.008, 990), (0.012, 990)))
    assert f"after 780 steps ({slow:.3f}) and at {slow_for_longer:.3f} after 990" in said
    assert f"at a rate of 0.012 at {fast:.3f}" in said


POLICIES = pd.read_csv(ROOT / "docs" / "tuning" / "policies.csv")


def test_what_policies_learn_is_as_their_table_has_it():
    page = (ROOT / "docs" / "tuning.md").read_text()
    _, _, section = page.partition("## What policies learn")
    section = section.partition("\n## ")[0]
    published = pd.read_csv(ROOT / "docs/sweeps/study/summary/policies.csv")
    sampled = published.groupby(["task", "size"])["success_rate"].mean()
    rows = [
        f"| {task} | {size} | {sampled[task, size]:.3f} | {of['success_rate'].mean():.3f} | {of['op'].mean():.3f} | "
        f"{of['op_predicted'].mean():.3f} | {of['op_within_good'].mean():.3f} | "
        f"{(of['true_set_rank_by_op'] == 1).sum()} of {len(of)} | {of['natural_loss'].mean():.3f} | "
        f"{of['op_self'].mean():.3f} |"
        for (task, size), of in POLICIES.groupby(["task", "size"], sort=False)
    ]
    assert re.findall(r"^\| good.+$", section, re.MULTILINE) == rows
    squares = ((POLICIES["op"] - y) ** 2 for y in (POLICIES["op_predicted"], POLICIES["op"].mean()))
    about_line, about_mean = (square.sum() for square in squares)
    assert f"R² about y = x is {1 - about_line / about_mean:.3f}" in section
    assert f"Op identifies all {POLICIES['identified_by_op'].sum()}" in section
    least = POLICIES.groupby("task")["success_rate"].min()
    assert f"at least {least['good2']:.3f}, {least['good4']:.3f} and {least['good6']:.3f}" in section
    assert f"natural loss at most {POLICIES['natural_loss'].max():.3f}" in section


def test_the_readme_says_what_came_out():
    said = " ".join(README.split())
    summary = ROOT / "docs/sweeps/study/summary"
    published = pd.read_csv(summary / "policies.csv")
    by_size = POLICIES[POLICIES["task"] == "good2"].groupby("size")["success_rate"].mean()
    sampled = published[published["task"] == "good2"].groupby("size")["success_rate"].mean()
    assert f"in {sampled.min():.3f} to {sampled.max():.3f} of windows" in said
    assert f"every success gives {by_size.min():.3f} to {by_size.max():.3f}, and" in said
    assert f"Op then identifies all {POLICIES['identified_by_op'].sum()} " in said
    identified = pd.read_parquet(summary / "identification.parquet").query("measure == 'op'")
    n, first = len(identified), (identified["true_set_rank"] == 1).sum()
    assert f"of {identified['correct'].sum()} of {n} policies, where guessing would be right for {n // 3}." in said
    assert f"the true good set ranks first for {first} of them" in said
    assert f"each of {n} tiny transformers" in said
    claims = pd.read_csv(summary / "claims.csv")
    (r_squared,) = claims[claims["statistic"].str.startswith("R² of Op about Op_pred")].itertuples()
    value = f"{r_squared.value:.3f} (95 % interval {r_squared.low:.3f} to {r_squared.high:.3f})"
    assert f"R² about y = x is {value}" in said
    verdicts = claims.groupby("claim")["verdict_claim"].first().value_counts()
    assert f"Of the study's {verdicts.sum()} claims**, {verdicts['replicated']} replicated, " in said
    assert f"{verdicts['not replicated']} did not replicate and {verdicts['inconclusive']} are inconclusive" in said
    slope = np.polyfit(published["imp_minimum"], published["imp"], 1)[0]
    assert f"a slope of {slope:.2f}, not 2.6" in said


def test_what_is_said_of_rollouts_is_what_their_trials_show():
    trials = pd.read_csv(ROOT / "docs/tuning/rollouts.csv")
    chance = trials["task"].map({"good2": 0.25, "good4": 0.5, "good6": 0.75})
    off = (trials["success_rate_counterfactual_rollouts"] - chance).abs().max()
    below = (trials["op_rollouts"] < trials["op_predicted_rollouts"]).sum()
    said = " ".join((ROOT / "docs/tuning.md").read_text().split())
    assert f"within {off:.3f} of chance, and {below} of {len(trials)} policies lie below theory" in said


def test_favouritism_follows_the_circle_of_logarithms():
    """How far the logarithms of an outcome's two residues lie from those of 3 and 7, which fail."""
    logarithm = {pow(3, power, 17): power for power in range(16)}
    avoided = [logarithm[residue] for residue in range(1, 17) if residue % 8 in (3, 7)]

    def room(outcome):
        own = [logarithm[residue] for residue in range(1, 17) if residue % 8 == outcome]
        return sum(min(min((at - other) % 16, (other - at) % 16) for other in avoided) for at in own)

    good = [0, 1, 2, 4, 5, 6]
    shares = POLICIES[POLICIES["task"] == "good6"][[f"outcome_{outcome}" for outcome in good]].mean()
    rank = spearmanr([room(outcome) for outcome in good], shares).statistic
    assert f"(rank correlation {rank:.2f})" in (ROOT / "docs" / "tuning.md").read_text()
    assert [good[at] for at in np.argsort(-shares.to_numpy(), kind="stable")] == [2, 6, 5, 4, 1, 0]


def test_self_estimates_are_as_their_tables_have_them():
    page = (ROOT / "docs" / "tuning.md").read_text()
    section = page.partition("## Self-estimates")[2].partition("\n## ")[0]
    heavy = pd.read_csv(ROOT / "docs/tuning/self_estimates.csv").assign(maintenance="heavy")
    light = POLICIES[POLICIES["size"].isin(heavy["size"]) & (POLICIES["seed"] == 0)].assign(maintenance="light")
    policies = pd.concat([light, heavy])
    for measure in ("op", "imp"):
        policies[f"{measure}_share"] = 100 * policies[f"{measure}_self"] / policies[measure]
    row = (
        "| {task} | {size} | {maintenance} | {success_rate:.3f} | {natural_loss:.2f} | {op:.3f} | {op_self:.3f} | "
        "{op_share:.0f} % | {imp:.3f} | {imp_self:.3f} | {imp_share:.0f} % |"
    )
    rows = [row.format_map(policy) for policy in policies.to_dict("records")]
    assert re.findall(r"^\| good.+$", section, re.MULTILINE) == rows
    said = " ".join(section.split())
    off = policies[policies["maintenance"] == "heavy"][["op_share", "imp_share"]].sub(100).abs().max()
    assert f"within {off['op_share']:.0f} % of the measured Op and within {off['imp_share']:.0f} % of" in said
    assert heavy["success_rate"].min() >= light["success_rate"].min()
    claims = pd.read_csv(ROOT / "docs/tuning/self_estimate_claims.csv")
    for maintenance, judged in claims.groupby("maintenance"):
        told = [f"{of.value:.3f} ({of.low:.3f} to {of.high:.3f}), {of.verdict}" for of in judged.itertuples()]
        assert f"{maintenance}, n = {judged['n'].iloc[0]}: {'; '.join(told)}" in said


def test_what_many_windows_cost_is_as_its_table_has_it():
    section = (ROOT / "docs" / "performance.md").read_text().partition("## Many windows")[2].partition("\n## ")[0]
    cases = pd.read_csv(ROOT / "docs/performance/windows.csv")
    rows = [
        f"| {of.environment} | {of.seconds:.0f} | {of.seconds_environment:.0f} | {of.peak_mb:,.0f} |"
        for of in cases.itertuples()
    ]
    assert re.findall(r"^\| (?:same|differs).+$", section, re.MULTILINE) == rows
    assert cases["seconds"].max() < 60
    assert cases["peak_mb"].max() < 2000


def test_what_differential_measures_cost_is_as_its_table_has_it(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = import_module("differential_cost")
    page = (ROOT / "docs" / "performance.md").read_text()
    section = page.partition("## Differential measures")[2].partition("\n## ")[0]
    cases = pd.read_csv(benchmark.TABLE)
    rows = [
        f"| {of.d_model} | {of.n_layers} | {of.jacobians_ms:,.1f} | {of.measures_ms:,.1f} | {of.formulas_ms:,.1f} |"
        for of in cases.itertuples()
    ]
    assert re.findall(r"^\| \d.+$", section, re.MULTILINE) == rows
    wide = cases[(cases["n_layers"] == 2) & (cases["d_model"] >= 64)]
    share = wide["measures_ms"] / wide["jacobians_ms"]
    assert f"take {share.min():.2f} to {share.max():.2f} of that time" in section
    fitted = {
        (of["of"], of["part"]): f"{of['exponent']:.2f} ({of['low']:.2f} to {of['high']:.2f})"
        for of in benchmark.exponents(cases)
    }
    assert re.findall(r"^\| (?:Jac|meas|form).+$", section, re.MULTILINE) == [
        f"| {name} | {fitted['width', part]} | {fitted['depth', part]} | "
        + " | ".join(f"{100 * share[part]:.0f} %" for share in cubic_shares(benchmark, cases))
        + " |"
        for name, part in (("Jacobians", "jacobians"), ("measures", "measures"), ("formulas", "formulas"))
    ]


def cubic_shares(benchmark, cases):
    """The share of the cubic term by part, at a width of 128 and at the largest."""
    return [{of["part"]: of["power_3"] for of in benchmark.shares(cases, width)} for width in (128, 512)]


def test_what_the_fits_of_differential_costs_find_is_what_times_are_made_of(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = import_module("differential_cost")
    shapes = [(width, 2) for width in benchmark.WIDTHS] + [(64, depth) for depth in benchmark.DEPTHS if depth != 2]
    made = pd.DataFrame(shapes, columns=["d_model", "n_layers"]).astype(float)
    for part in benchmark.PARTS:
        made[f"{part}_ms"] = (2.0 + made["d_model"] + 1e-4 * made["d_model"] ** 3) * made["n_layers"] ** 1.5
    for of in benchmark.shares(made, 100):
        assert of["power_3"] == pytest.approx(100 / 202, rel=1e-6)
        assert of["power_2"] == pytest.approx(0, abs=1e-6)
    deep = [of for of in benchmark.exponents(made) if of["of"] == "depth"]
    assert [(of["n"], of["exponent"]) for of in deep] == [(5, pytest.approx(1.5))] * 3


def test_times_of_the_sweeps_are_as_their_tables_have_them():
    page = (ROOT / "docs" / "performance.md").read_text()
    section = page.partition("## The sweeps today")[2].partition("\n## ")[0]
    sweeps = pd.read_csv(ROOT / "docs/performance/sweeps.csv")
    jobs = pd.read_csv(ROOT / "docs/performance/quick_jobs.csv")
    rows = [
        f"| {of.sweep} | {of.code} | {of.jobs} | {of.core_seconds:,} | {of.wall_seconds / 60:.1f} |"
        for of in sweeps.itertuples()
    ] + [f"| {of.rule} | {of.jobs} | {of.seconds} |" for of in jobs.itertuples()]
    assert [row for row in re.findall(r"^\| \w.+$", section, re.MULTILINE) if row[-3].isdigit()] == rows
    before, now, again = sweeps[sweeps["sweep"] == "quick"]["core_seconds"]
    assert f"take {now / before:.2f} to {again / before:.2f} of the time" in section
    policies = jobs[jobs["rule"].isin(["pretrain", "measure_pretrained", "finetune", "measure"])]
    assert f"of the {policies['jobs'].sum()} jobs that run a policy" in section
    assert 2.5 * policies["jobs"].sum() > again / 4


def test_costs_of_setting_up_are_as_their_table_has_them():
    page = (ROOT / "docs" / "performance.md").read_text()
    section = page.partition("## Setting up")[2].partition("\n## ")[0]
    said = " ".join(section.split())
    setups = pd.read_csv(ROOT / "docs/performance/setups.csv")
    rows = [
        f"| {of.by} | {of.setup} | {of.core_seconds} | {of.megabytes:,} | {of.packages} |" for of in setups.itertuples()
    ]
    assert re.findall(r"^\| \w+ \| (?:running|testing) .+$", section, re.MULTILINE) == rows
    of = setups.set_index(["by", "setup"])
    now, before, uv = (of.loc[(by, "running")] for by in ("now", "before", "uv"))
    assert f"40 of the {now['core_seconds']} core-seconds" in said
    assert f"own tests: {before['megabytes'] - now['megabytes']} MB less" in said
    more = of.loc[("now", "testing"), "packages"] - of.loc[("before", "testing"), "packages"]
    assert f"Testing has {more} packages more" in said
    assert f"takes {uv['core_seconds'] / now['core_seconds']:.2f} of the core-seconds for running" in said


TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def test_the_figure_in_ten_lines_is_the_published_one(monkeypatch):
    monkeypatch.chdir(ROOT)
    *_, example = blocks("python", TUTORIAL)
    assert len([line for line in example.splitlines() if line and not line.startswith("import")]) == 10
    names = {"pd": pd}
    exec(example, names)
    policies = pd.read_parquet(ROOT / "docs/sweeps/study/summary/policies.parquet")
    # Tables published before there were graded tasks hold the good sets alone.
    policies = policies.assign(
        utility=[good_mask(good, 8) for good in policies["good_set"]], chance=policies["n_good"] / 8
    )
    style = FigureStyle.from_policies(["good2", "good4", "good6"], policies)
    published = draw("op_vs_predicted", {"policies": policies}, style).figure.axes[0]
    assert names["axes"].get_title() == published.get_title(loc="left")
    shown = np.concatenate([marks.get_offsets() for marks in names["axes"].collections])
    drawn = np.concatenate([part.get_offsets() for part in published.collections if isinstance(part, PathCollection)])
    np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(drawn, axis=0))


def test_the_tutorial_answers_as_the_workflow_does_on_any_sweep(capsys, finished):
    def of_the_tiny_sweep(example):
        return example.replace("docs/sweeps/study", finished.results.as_posix()).replace("51k", "tiny2")

    *_, names = printed(TUTORIAL, capsys, of_the_tiny_sweep)
    keys = ["task", "size", "seed"]
    nearest = names["nearest"].astype({"seed": int, "task": str, "size": str}).set_index(keys)["candidate"]
    found = pd.read_parquet(finished.results / "summary" / "identification.parquet")
    identified = found[found["measure"] == "op"].set_index(keys)["identified_task"].dropna()
    assert nearest.to_dict() == identified.to_dict()
    assert len(nearest) > 0


def shape(line):
    """A line of the screen without what differs between runs: numbers, the time left, and which policy is best."""
    line = re.sub(r"^(\d\d:\d\d +\d+/\d+) .* (start|done) ", r"\1 \2 ", line)
    line = re.sub(r"(policy: ).+(, success)", r"\1\2", line.replace(" min", " s"))
    return re.sub(r"[\d.,T−-]+| +", lambda found: " " if found[0].isspace() else "0", line)


def test_the_screen_in_the_tutorial_is_that_of_the_tiny_sweep(finished_run):
    _, run = finished_run
    (screen,) = blocks("console", TUTORIAL)
    shown = [line for line in screen.splitlines() if line != "..."]
    shapes = [shape(line) for line in run.stderr.splitlines()]
    assert [line for line in shown if shape(line) not in shapes] == []
    assert [shape(line) for line in shown[-5:]] == shapes[-5:]
    assert max(map(len, shown)) < 80


def test_the_gallery_shows_every_figure_with_two_sentences():
    gallery = (ROOT / "docs" / "gallery.md").read_text()
    entries = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", gallery, re.DOTALL | re.MULTILINE))
    assert sorted(entries) == sorted(figure_names(["good2", "good4", "good6"]))
    for name, entry in entries.items():
        ((alternative, path),) = re.findall(r"!\[(.+)\]\((.+)\)", entry)
        # The published sweep holds nothing of rollouts or of the course of training yet.
        sweep = "quick" if name in ("identification_along_training", "rollouts_vs_natural") else "study"
        assert path == f"sweeps/{sweep}/figures/{name}.svg"
        assert len(alternative) > 10
        text = entry.partition(f"({path})")[2].strip()
        assert len(re.findall(r"[^.]\.(?=\s+[A-Z0-9]|$)", text)) >= 2, name


def test_the_page_on_reruns_reads_a_tables_metadata(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    (example,) = blocks("python", (ROOT / "docs" / "reruns.md").read_text())
    exec(example, {})
    assert capsys.readouterr().out == "[1, 0, 0, 0, 1, 0, 0, 0]\n"


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert links or page.name != "README.md"
    assert [link for link in links if not (page.parent / link).exists()] == []


DOCUMENTED = [
    ".".join(path.relative_to(ROOT / "workflow_scripts").with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "workflow_scripts" / "splithistory").rglob("*.py")
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_in_docstrings_print_what_they_say(name):
    outcome = doctest.testmod(import_module(name))
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


def test_the_page_on_installing_lists_every_extra():
    page = (ROOT / "docs" / "your-own-policy.md").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(extras)


def site(folder, **pages):
    """Build a site of a few pages as `make docs` does that of docs/."""
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", folder / "docs")
    (folder / "workflow_scripts").symlink_to(ROOT / "workflow_scripts")
    for name, text in pages.items():
        (folder / "docs" / f"{name}.md").write_text(text)
    (options,) = re.findall(r"python (-m sphinx .+)", (ROOT / "Makefile").read_text())
    without_apidoc = ["--define", "extensions=sphinx.ext.autodoc,sphinx.ext.napoleon,myst_parser"]
    command = [sys.executable, *options.split(), *without_apidoc]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


CONTENTS = "# Contents\n\n## Tutorial\n\n- [The page](page.md), which says it.\n\n"
LIBRARY = "```{eval-rst}\n.. automodule:: splithistory\n   :members:\n```\n"


def test_the_site_has_its_contents_and_the_library_and_asks_no_other_host(tmp_path):
    built = site(
        tmp_path, index=CONTENTS, page=f"# Page\n\n[above](#page), [home](index.md), [code](conf.py)\n\n{LIBRARY}"
    )
    assert (built.returncode, built.stderr) == (0, "")
    index, page = ((tmp_path / "build" / "docs" / f"{name}.html").read_text() for name in ("index", "page"))
    assert re.search(r'<p class="caption".*>Tutorial</span></p>\s*<ul>\s*<li.*href="page.html">Page</a>', index)
    assert not re.search(r'<(?:script|link|img)\b[^>]*(?:src|href)="(?:https?:)?//', index + page)
    public = {name for name in splithistory.__all__ if not inspect.ismodule(getattr(splithistory, name))}
    assert {f"splithistory.{name}" for name in public} <= set(re.findall(r'id="([\w.]+)"', page))
    assert "F'|x''" in page


def test_what_is_wrong_fails_the_site(tmp_path):
    links = {
        "[a page](gone.md)": "cross-reference target not found: 'gone.md'",
        "[a heading](#gone)": "cross-reference target not found: 'gone'",
        "[one elsewhere](index.md#gone)": "local id not found in doc 'index': 'gone'",
        "[a file](../gone.yaml)": "cross-reference target not found: '../gone.yaml'",
        "![a figure](gone.svg)": "image file not readable: gone.svg",
    }
    built = site(tmp_path, index=CONTENTS, page="\n\n".join(["# Page", *links]), unlisted="# Unlisted")
    assert built.returncode != 0
    for said in [*links.values(), "document isn't included in any toctree"]:
        assert said in built.stderr
