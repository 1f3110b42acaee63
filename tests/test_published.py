"""What is published of sweeps in docs/sweeps is what the code makes of their tables today."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from conftest import ROOT
from splithistory.environment import Recurrence, environment_of
from splithistory.sequence import one_window_per_chain
from splithistory.task import Task
from sweep.claims.judging import claims_table
from sweep.commands.reference import PUBLISHED, scorecard_page
from sweep.left_out import without_each_repeat
from sweep.schemas.summary import SUMMARY
from sweep.summary import Judges
from sweep.tables import read_table

FOLDERS = [folder for folder in (ROOT / "docs" / "sweeps" / name for name in PUBLISHED) if folder.exists()]


def as_text(rows):
    """Sizes and tasks that are read as categories, as texts."""
    return rows.astype({name: object for name in ("task", "size") if rows.dtypes.get(name) == "category"})


def claims_of(folder):
    """The claims of a published sweep from its other tables, as the sweep itself judges them."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((folder / "configuration.yaml").read_text()))
    environment = environment_of(config["sequence"])
    tasks = {name: Task.from_settings(name, config["tasks"][name], environment) for name in config["sweep"]["tasks"]}
    judges = Judges.of(tasks, environment)
    names = ("policies", "cross_objective", "generator", "identification", "training", "differential")
    tables = {name: as_text(pd.read_parquet(folder / "summary" / f"{name}.parquet")) for name in names}
    finetuned = {
        name: as_text(pd.read_parquet(folder / "finetuned" / name)).astype({"seed": int})
        for name in ("measured", "self_estimate")
    }
    return claims_table(tables, without_each_repeat(tables, finetuned, tables["generator"], judges=judges))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_claims_are_judged_as_the_code_judges_them(folder):
    path = folder / "summary" / "claims.parquet"
    published, judged = read_table(path, SUMMARY["claims"]).to_pandas(), claims_of(folder)
    words = ["claim", "statement", "verdict_claim", "name", "replaced_by", "statistic", "size", "side", "verdict", "n"]
    numbers = ["value", "low", "high", "low_models", "high_models", "threshold", "centre"]
    assert published[words].fillna("").to_numpy().tolist() == judged[words].fillna("").to_numpy().tolist()
    np.testing.assert_allclose(published[numbers], judged[numbers].astype(float), rtol=1e-6, atol=1e-9)
    shown = pd.read_csv(path.with_suffix(".csv"))
    assert shown.columns.to_list() == published.columns.to_list()
    np.testing.assert_allclose(shown[numbers], published[numbers])


def shown(row):
    """A statistic with its interval and verdict, as the page has it."""
    mark = {"replicated": "✓", "not replicated": "✗", "inconclusive": "?"}[row["verdict"]]
    if np.isnan(row["value"]):
        return f"undefined {mark}"
    value, low, high = (f"{row[end]:.3f}".replace("-", "−") for end in ("value", "low", "high"))
    interval = "no interval" if np.isnan(row["low"]) else f"{low} to {high}"
    return f"{value} ({interval}) {mark}".replace("−0.000", "0.000")


def test_the_scorecard_says_what_the_published_tables_do():
    claims, replaced, _ = (ROOT / "docs" / "scorecard.md").read_text(encoding="utf-8").split("\n## ")
    rows = [line.strip("| ").split(" | ") for line in claims.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(number) for number, *_ in rows] == list(range(1, 17))
    for column, folder in enumerate(FOLDERS, start=2):
        table = pd.read_csv(folder / "summary" / "claims.csv")
        in_force, old = table[table["replaced_by"].isna()], table[table["replaced_by"].notna()]
        for number, *cells in rows:
            judged = in_force[in_force["claim"] == int(number)].to_dict("records")
            cell = cells[column - 1]
            assert cell.startswith(f"**{judged[0]['verdict_claim']}**<br>")
            assert re.findall(r"(?:−?[\d.]+ \([^)]*\)|undefined) [✓✗?]", cell) == [shown(row) for row in judged]
        for row in old.to_dict("records"):
            assert f"before: {shown(row)}<br>now: " in replaced


def test_nonuniformity_in_many_windows_is_as_the_page_says():
    """Of the published policies' answers, in windows of chains that no sweep has."""
    rng, environment, n, batch = np.random.default_rng(1), Recurrence(0.02), 200_000, 50_000
    answers = pd.read_csv(ROOT / "docs/sweeps/paper/summary/actions.csv")
    weights = answers.groupby("action")["weight"].sum() / len(answers.groupby(["task", "size", "seed"]))
    futures = 0
    for _ in range(n // batch):
        chains = environment.generate_chains(batch, 101, rng)
        outcomes = environment.outcome_of_each_action(one_window_per_chain(chains, 20, rng, target_parity=1).contexts)
        futures = futures + np.stack([(outcomes == value).mean(axis=0) for value in range(8)], axis=1) * batch / n
    futures = 0.98 * futures + 0.02 / 8  # (16, 8) F' of each answer
    nonuniformity = weights @ (np.log(8) + (futures * np.log(futures)).sum(axis=1))[weights.index]
    said = " ".join((ROOT / "docs" / "experiments.md").read_text().split())
    assert f"In {n:,} windows of other chains it is {nonuniformity:.3f}." in said


def test_the_scorecard_is_made_from_the_published_tables():
    page = (ROOT / "docs" / "scorecard.md").read_text(encoding="utf-8")
    assert page == scorecard_page(), "make it with `make reference`"
