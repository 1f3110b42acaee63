"""What is published of sweeps in docs/sweeps is what the code makes of their tables today."""

import numpy as np
import pandas as pd
import pytest
import yaml
from snakemake.utils import update_config

from conftest import ROOT
from splithistory.environment import environment_of
from splithistory.task import Task
from sweep.claims.judging import claims_table
from sweep.commands.reference import PUBLISHED, scorecard_page
from sweep.left_out import without_each_repeat
from sweep.schemas.summary import SUMMARY
from sweep.summary import Judges
from sweep.tables import read_table

FOLDERS = [folder for folder in (ROOT / "docs" / "sweeps" / name for name in PUBLISHED) if folder.exists()]


def claims_of(folder):
    """The claims of a published sweep from its other tables, as the sweep itself judges them."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((folder / "configuration.yaml").read_text()))
    environment = environment_of(config["sequence"])
    tasks = {name: Task.from_settings(name, config["tasks"][name], environment) for name in config["sweep"]["tasks"]}
    judges = Judges.of(tasks, environment)
    tables = {path.stem: pd.read_parquet(path) for path in (folder / "summary").glob("*.parquet")}
    finetuned = {
        name: pd.read_parquet(folder / "finetuned" / name).astype({"task": str, "size": str, "seed": int})
        for name in ("measured", "self_estimate")
    }
    # Tables published before there were graded tasks and windows of rollouts hold neither.
    policies = tables["policies"].assign(chance=lambda of: of["n_good"] / 8)
    generator = (
        tables["generator"].assign(windows="natural") if "windows" not in tables["generator"] else tables["generator"]
    )
    tables |= {"policies": policies, "generator": generator}
    return claims_table(tables, without_each_repeat(tables, finetuned, generator, judges=judges))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_published_claims_are_judged_as_the_code_judges_them(folder):
    path = folder / "summary" / "claims.parquet"
    published, judged = read_table(path, SUMMARY["claims"]).to_pandas(), claims_of(folder)
    words = ["claim", "statement", "verdict_claim", "name", "replaced_by", "statistic", "size", "side", "verdict", "n"]
    numbers = ["value", "low", "high", "low_models", "high_models", "threshold"]
    assert published[words].fillna("").to_numpy().tolist() == judged[words].fillna("").to_numpy().tolist()
    np.testing.assert_allclose(published[numbers], judged[numbers].astype(float), rtol=1e-6, atol=1e-9)
    shown = pd.read_csv(path.with_suffix(".csv"))
    assert shown.columns.to_list() == published.columns.to_list()
    np.testing.assert_allclose(shown[numbers], published[numbers])


def test_the_scorecard_is_made_from_the_published_tables():
    page = (ROOT / "docs" / "scorecard.md").read_text(encoding="utf-8")
    assert page == scorecard_page(), "make it with `make reference`"
