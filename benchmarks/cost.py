"""Fit the cost of a job against the number of parameters, from the times and memory that Snakemake recorded in a sweep.

Reads jobs.csv and configuration.yaml, as `make publish` writes them, of the published sweep of config.yaml or the given
one. Fits a constant plus a power law, prints the fits with the cost of the next larger size, and draws cost.svg and
cost.png in docs/performance. The cost of training is per 1,000 steps, that of the other jobs per job.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import curve_fit

from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from sweep.figures.axes import legend_below, readable_log_axis
from sweep.figures.marks import MARKERS
from sweep.figures.theme import COLUMN_WIDTH, style_context
from sweep.stages import architecture_settings, finetune_settings, pretrain_settings

ROOT = Path(__file__).parents[1]
SECONDS, MEMORY = "seconds", "memory"
LABELS = {
    "pretrain": "pretrain, 1,000 steps",
    "finetune": "finetune, 1,000 steps",
    "measure": "measure",
}
COLORS = ("#0072B2", "#DE9200", "#882255")  # one per rule
UNIT = 1e5  # parameters
NEXT = 2.8  # ratio of the next size's parameters to the largest one's, about that between sizes of config.yaml


def costs(folder: Path) -> pd.DataFrame:
    """Read one row per job that holds a policy: ``rule``, ``size``, ``n_parameters``, ``seconds``, ``memory`` (MB)."""
    config = yaml.safe_load((folder / "configuration.yaml").read_text())
    jobs = pd.read_csv(folder / "jobs.csv")
    jobs = jobs[jobs["rule"].isin(LABELS)].copy()
    shapes = {size: Architecture(**architecture_settings(config, size)) for size in jobs["size"].unique()}
    counts = {size: sum(p.numel() for p in initial_policy(shape, 0).parameters()) for size, shape in shapes.items()}
    jobs["n_parameters"] = jobs["size"].map(counts)

    def thousands_of_steps(job: pd.Series) -> float:
        if job["rule"] == "pretrain":
            return pretrain_settings(config, job["size"])["n_steps"] / 1000
        if job["rule"] == "finetune":
            return finetune_settings(config, job["size"], job["task"])["n_steps"] / 1000
        return 1.0

    jobs[SECONDS] /= jobs.apply(thousands_of_steps, axis=1)
    return jobs


def cost(n_parameters: np.ndarray, start: float, per_100k: float, exponent: float) -> np.ndarray:
    """Return the cost of a job: a constant, plus a part that grows with the policy."""
    return start + per_100k * (n_parameters / UNIT) ** exponent


def fits(jobs: pd.DataFrame) -> pd.DataFrame:
    """Fit the parameters of `cost` to logarithms, per quantity and rule, and add the cost of the next larger size."""
    rows = []
    rules = [rule for rule in LABELS if rule in set(jobs["rule"])]
    for quantity, rule in product((SECONDS, MEMORY), rules):
        known = jobs[(jobs["rule"] == rule) & jobs[quantity].gt(0)]
        smallest = known[quantity].min()
        found, _ = curve_fit(
            lambda n, *parameters: np.log(cost(n, *parameters)),
            known["n_parameters"].to_numpy(float),
            np.log(known[quantity]),
            p0=(smallest / 2, smallest / 2, 1.0),
            bounds=([0, 0, 0.5], [smallest, np.inf, 1.5]),
        )
        n_next = round(NEXT * known["n_parameters"].max())
        rows.append((quantity, rule, *found, n_next, cost(n_next, *found), len(known)))
    columns = ["quantity", "rule", "start", "per_100k", "exponent", "n_next", "at_next", "n"]
    return pd.DataFrame(rows, columns=columns)


def draw(jobs: pd.DataFrame, fitted: pd.DataFrame) -> Figure:
    """Draw the seconds and memory of every job, with the fits up to the next larger size."""
    figure = Figure(figsize=(COLUMN_WIDTH, 4.0))
    panels = figure.subplots(2, sharex=True)
    rules = fitted["rule"].unique()
    for axes, quantity, unit in zip(panels, (SECONDS, MEMORY), ("seconds", "peak memory (MB)"), strict=True):
        for rule, color, marker in zip(rules, COLORS, MARKERS, strict=False):
            rows = jobs[jobs["rule"] == rule]
            ((*parameters, n_next),) = fitted.loc[
                (fitted["quantity"] == quantity) & (fitted["rule"] == rule), ["start", "per_100k", "exponent", "n_next"]
            ].to_numpy()
            n = np.geomspace(rows["n_parameters"].min(), n_next)
            axes.plot(rows["n_parameters"], rows[quantity], marker, color=color, markersize=3, alpha=0.6)
            axes.plot(n, cost(n, *parameters), color=color)
        axes.set_ylabel(unit)
        readable_log_axis(axes.yaxis)
    readable_log_axis(panels[-1].xaxis)
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k" if value < 1e6 else f"{value / 1e6:g}M")
    panels[-1].set_xlabel("parameters")
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=3, label=LABELS[rule])
        for rule, color, marker in zip(rules, COLORS, MARKERS, strict=False)
    ]
    legend_below(figure, handles)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sweep", type=Path, default=ROOT / "docs" / "sweeps" / "paper", help="published sweep")
    jobs = costs(parser.parse_args().sweep)
    fitted = fits(jobs)
    print(fitted.to_string(index=False, float_format="{:.2f}".format))
    with style_context():
        figure = draw(jobs, fitted)
        for name, options in (("cost.svg", {"metadata": {"Date": None}}), ("cost.png", {"dpi": 200})):
            figure.savefig(ROOT / "docs" / "performance" / name, **options)


if __name__ == "__main__":
    main()
