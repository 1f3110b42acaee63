"""What a job costs against the number of parameters, from the time and memory that Snakemake noted in a sweep.

Reads jobs.csv and configuration.yaml, which `make publish` writes, in docs/performance or the folder given. Fits power
laws, prints them with what the next size up would cost, and draws cost.svg and cost.png there. Training is counted per
1,000 steps, the other jobs as they are.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from scipy.stats import linregress

from splithistory.model import Architecture, initial_policy
from sweep.figures.style import COLUMN_WIDTH, MARKERS, readable_log_axis, style_context
from sweep.stages import architecture_settings, finetune_settings, pretrain_settings

ROOT = Path(__file__).parents[1]
SECONDS, MEMORY = "seconds", "memory"
LABELS = {
    "pretrain": "pretrain, 1,000 steps",
    "finetune": "finetune, 1,000 steps",
    "measure": "measure",
    "measure_differential": "measure differential",
}
COLORS = ("#0072B2", "#DE9200", "#882255", "#56B4E9")  # of rules: the figure has no tasks
NEXT = 2.8  # times as many parameters: the step from each size of config.yaml to the next, about


def costs(folder: Path) -> pd.DataFrame:
    """A row a job of the rules that hold a policy: ``rule``, ``size``, ``n_parameters``, ``seconds``, ``memory``."""
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


def fits(jobs: pd.DataFrame) -> pd.DataFrame:
    """Of each rule and quantity the exponent with its standard error, and the fit at the next size up."""
    rows = []
    for quantity in (SECONDS, MEMORY):
        for rule in LABELS:
            known = jobs[(jobs["rule"] == rule) & jobs[quantity].gt(0)]
            fit = linregress(np.log(known["n_parameters"]), np.log(known[quantity]))
            n_next = NEXT * known["n_parameters"].max()
            at_next = np.exp(fit.intercept + fit.slope * np.log(n_next))
            rows.append((quantity, rule, fit.slope, fit.stderr, fit.intercept, round(n_next), at_next, len(known)))
    columns = ["quantity", "rule", "exponent", "stderr", "intercept", "n_next", "at_next", "n"]
    return pd.DataFrame(rows, columns=columns)


def draw(jobs: pd.DataFrame, fitted: pd.DataFrame) -> Figure:
    """Seconds and memory of every job, with the fits up to the next size."""
    figure = Figure(figsize=(COLUMN_WIDTH, 4.6))
    panels = figure.subplots(2, sharex=True)
    for axes, quantity, unit in zip(panels, (SECONDS, MEMORY), ("seconds", "peak memory (MB)"), strict=True):
        for rule, color, marker in zip(LABELS, COLORS, MARKERS, strict=False):
            rows = jobs[jobs["rule"] == rule]
            fit = fitted[(fitted["quantity"] == quantity) & (fitted["rule"] == rule)].iloc[0]
            axes.plot(rows["n_parameters"], rows[quantity], marker, color=color, markersize=3, alpha=0.6)
            line = np.array([rows["n_parameters"].min(), fit["n_next"]])
            label = f"{LABELS[rule]}: exponent {fit['exponent']:.2f} ± {fit['stderr']:.2f}"
            axes.plot(line, np.exp(fit["intercept"]) * line ** fit["exponent"], color=color, label=label)
        axes.set_ylabel(unit)
        readable_log_axis(axes.yaxis)
        # Below the panel's points there is no room for four lines of text.
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    readable_log_axis(panels[-1].xaxis)
    panels[-1].xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}k")
    panels[-1].set_xlabel("parameters")
    return figure


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--folder", type=Path, default=ROOT / "docs" / "performance")
    folder = options.parse_args().folder
    jobs = costs(folder)
    fitted = fits(jobs)
    print(fitted.drop(columns="intercept").to_string(index=False, float_format="{:.2f}".format))
    with style_context():
        figure = draw(jobs, fitted)
        figure.savefig(folder / "cost.svg", metadata={"Date": None})
        figure.savefig(folder / "cost.png", dpi=200)


if __name__ == "__main__":
    main()
