"""The whole method in one figure, from a window of the sequence to the reward read off the policy."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from splithistory.environment import Recurrence
from splithistory.information import entropy
from splithistory.plots import even_handle, outcome_bars
from splithistory.task import Task
from sweep.confusion import confusion_matrix
from sweep.figures import registry
from sweep.figures.axes import category_axis, legend_below
from sweep.figures.identification import shaded_counts
from sweep.figures.marks import FigureStyle
from sweep.figures.schematics import outcome_handles
from sweep.figures.scores import score, short_score, tasks_of
from sweep.figures.theme import COLUMN_WIDTH, CaptionedFigure, captioned
from sweep.figures.wording import PROMOTED_TEXT, count_text
from sweep.words import NONE

_N_TOKENS = 4  # of the window that are shown
_LONGEST_BESIDE = 8  # characters of a task's name that leave room for two panels side by side
_FEW_TASKS = 6  # whose bars have room for their numbers


@registry.figure("graphical_abstract", "policies", "cross_objective", "identification")
def graphical_abstract(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw a window and its answer, F and F', Op against theory, and the rewards read off."""
    policies, crossed = tables["policies"], tables["cross_objective"]
    policy = policies.loc[policies["op"].idxmax()]
    judged = crossed[(crossed[["task", "size", "seed"]] == policy[["task", "size", "seed"]]).all(axis=1)]
    predicted = judged.set_index("evaluated_task")["op_predicted"].reindex(list(style.tasks)).dropna()
    by_op = tables["identification"].query("measure == 'op'")
    task, color = tasks_of(policies)[policy["task"]], style.color(policy["task"])

    stacked = max(map(len, style.tasks)) > _LONGEST_BESIDE
    heights = [0.85, 1.45, 0.25, *([1.6, 1.6] if stacked else [1.6])]  # inches, with labels
    figure = Figure(figsize=(COLUMN_WIDTH, 0))
    grid = figure.add_gridspec(len(heights))

    def row(number: int, n_panels: int = 1) -> np.ndarray:
        """Add panels with their own margins, so that long names below do not narrow the other panels."""
        return grid[number].subgridspec(1, n_panels).subplots(squeeze=False, sharey=number == 1)[0]

    _window(*row(0), color)
    entropies = _futures(row(1, 2), policy, task, color=color)
    (numbers,) = row(2)
    numbers.set(xticks=[], yticks=[])
    numbers.axis("off")
    text = f"Op = {entropies[1]:.2f} − {entropies[0]:.2f} = {policy['op']:.2f} nats      Imp = {policy['imp']:.2f} nats"
    numbers.text(0.5, 0.5, text.replace("-", "−"), ha="center", va="center", transform=numbers.transAxes, size=8)
    theory, identified = (*row(3), *row(4)) if stacked else row(3, 2)
    measured, names_below = _theory(theory, predicted, policy["op"], style=style)
    counts = confusion_matrix(by_op, style.tasks).loc[[name for name in style.tasks if name in set(by_op["task"])]]
    shares = counts.to_numpy() / counts.sum(axis=1).to_numpy()[:, None]
    names = [names_below, shaded_counts(identified, counts, shares)]
    identified.set_title("4  All policies by\nthe reward read off")
    identified.set(xlabel="identified task", ylabel="trained task")
    # Long names must not take the panels' place.
    heights[3:] = np.add(heights[3:], names if stacked else max(names))
    grid.set_height_ratios(heights)
    figure.set_figheight(0.9 + sum(heights))
    legend_below(figure, outcome_handles(color, task), [even_handle(), measured])

    judges = tasks_of(policies).values()
    scores = judged.set_index("evaluated_task")["success_rate"]
    some = predicted if len(predicted) <= _FEW_TASKS else predicted.loc[[policy["task"]]]
    predictions = "; ".join(
        f"{short_score(judges)} {scores[task]:.2f} on {task} predicts {value:.2f} nats" for task, value in some.items()
    )
    correct, n_policies = by_op["correct"].sum(), len(by_op)
    title = f"How a policy steers the future identifies its reward correctly for {correct} of {n_policies} policies"
    caption = (
        f"The method in one figure, {count_text(policies, points=False)}. Top: from the window x, tokens of the "
        "sequence, the policy chooses the action a at an odd position, and the recurrence answers with the outcome f "
        "(schematic). Middle: outcomes of the policy with the highest Op "
        f"({policy['task']}, {policy['size']}, seed {policy['seed']}); left the future F, in which it answers each "
        "window; right the futures F'|x'', in which every window gets its answer to another one, x'', as their mean "
        "over x''; dashed: equal probabilities. Op is the mean entropy of F'|x'', "
        f"{entropies[1]:.3f} nats, minus the entropy of F, {entropies[0]:.3f}; Imp is the mean KL divergence of F "
        f"from F'|x'', {policy['imp']:.3f}. Bottom, panel 3: the Op that the policy's "
        f"{score(judges)} predicts by each task, with the measured Op dotted: {predictions}. {PROMOTED_TEXT} The "
        f"nearest promoted task is identified. Panel 4: the tasks so identified for all policies, '{NONE}' if none is "
        "promoted. Left out: the futures of the other policies."
    )
    return captioned(figure, title, caption)


def _window(axes: Axes, color: Any) -> None:
    """Draw tokens in boxes: the window, the policy's action and the recurrence's outcome."""
    chain = Recurrence(noise=0.0).generate_chains(1, _N_TOKENS + 1, np.random.default_rng(0))
    labels = ["…", *map(str, chain[0, 1:]), "a", "f"]  # the last token of the window is even
    places = np.array([*range(_N_TOKENS + 1), _N_TOKENS + 1.9, _N_TOKENS + 4.2])
    for place, label in zip(places, labels, strict=True):
        box = {"boxstyle": "square,pad=0.4", "facecolor": color if label == "a" else "white", "linewidth": 0.6}
        box["edgecolor"] = "white" if label == "…" else "black"
        style = {"ha": "center", "va": "center", "color": "white" if label == "a" else "black"}
        axes.text(place, 0, label, bbox=box, **style)
    arrow = {"arrowstyle": "-|>", "color": "black", "linewidth": 0.8, "shrinkA": 8, "shrinkB": 8}
    for start, end in pairwise(places[-3:]):
        axes.annotate("", (end, 0), (start, 0), arrowprops=arrow)
    below = {
        "window x": places[1 : _N_TOKENS + 1].mean(),
        "policy, at odd\npositions": places[-2],
        "recurrence,\nat even ones": places[-1],
    }
    for label, place in below.items():
        axes.text(place, -0.5, label, ha="center", va="top")
    axes.set(xlim=(-0.5, places[-1] + 1), ylim=(-1.3, 0.4), xticks=[], yticks=[])
    axes.set_title("1  A policy writes every other token")
    axes.axis("off")


def _futures(panels: Sequence[Axes], policy: pd.Series, task: Task, color: Any) -> tuple[float, float]:
    """Draw F and the mean of F'|x'' as bars; return the entropy of F and the mean entropy of F'|x'', nats."""
    of_future = float(entropy(policy["outcome_distribution"]))
    entropies = of_future, of_future + policy["op"]
    columns = "outcome_distribution", "counterfactual_distribution"
    names = "2  Answering each window: F", "Answering another: F'|x''"
    measured = "entropy", "mean entropy"
    for axes, name, column, of, nats in zip(panels, names, columns, measured, entropies, strict=True):
        outcome_bars(axes, policy[column], task.utility, color=color)
        axes.set_title(f"{name}\n{of} {nats:.2f} nats")
        axes.set_xlabel("outcome")
    panels[0].set_ylabel("probability")
    return entropies


def _theory(axes: Axes, predicted: pd.Series, measured: float, style: FigureStyle) -> tuple[Artist, float]:
    """Draw Op predicted by each task as bars, and measured Op as a line; return its handle and the names' height."""
    axes.bar(range(len(predicted)), predicted, color=[style.color(task) for task in predicted.index])
    if len(predicted) <= _FEW_TASKS:
        for place, (task, value) in enumerate(predicted.items()):
            beside = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center"}
            blank = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # keeps the line from crossing the number
            axes.annotate(f"{value:.2f}", (place, value), color=style.color(task), bbox=blank, **beside)
    line = {"color": "black", "linestyle": ":", "linewidth": 1.2}
    axes.axhline(measured, **line)
    axes.update_datalim([(0, measured)], updatex=False)  # a line alone does not widen the axis
    names = category_axis(axes, list(predicted.index))
    axes.margins(y=0.15)
    axes.set_title("3  Theory: Op predicted\nfrom the policy's score")
    axes.set(xlabel="task", ylabel="predicted Op (nats)")
    return Line2D([], [], label=f"measured Op: {measured:.2f}", **line), names
