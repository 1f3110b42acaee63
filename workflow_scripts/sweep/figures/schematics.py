"""Futures drawn as bars: those of a real policy, and computed examples that show what Op and Imp measure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.optimize import brentq

from splithistory.information import Floats, entropy, kl_divergence
from splithistory.plots import LIGHT, NEUTRAL, even_handle, mark_handle, outcome_bars, outcome_marks, shade
from splithistory.sequence import N_OUTCOMES
from splithistory.task import Task, good_mask
from splithistory.training_outcomes import training_outcomes as computed_outcomes
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import FigureStyle
from sweep.figures.scores import tasks_of
from sweep.figures.theme import COLUMN_WIDTH, PAGE_WIDTH, CaptionedFigure, captioned
from sweep.figures.wording import count_text

# What `training_outcomes` shows.
_GOOD_SET, _SUCCESS_RATE = (0, 2, 4, 6), 0.75
# The distribution that `impact_kinds` starts from, and the impact of its two policies, nats.
_ORIGINAL = np.array([0.05, 0.21, 0.06, 0.04, 0.34, 0.05, 0.20, 0.05])
_IMPACT = 0.15


@registry.figure("split_history", "policies", "actions")
def split_history(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw F of the policy with the highest Op, and F' under each of its two most frequent answers."""
    policies, actions = tables["policies"], tables["actions"]
    policy = policies.loc[policies["op"].idxmax()]
    own = actions[(actions[["task", "size", "seed"]] == policy[["task", "size", "seed"]]).all(axis=1)]
    answers = own.nlargest(2, "weight")
    task, color = tasks_of(policies)[policy["task"]], style.color(policy["task"])
    futures = [("F: it answers each window", policy["outcome_distribution"])] + [
        (f"F'|x'': always token {answer.action} ({answer.weight:.0%} of x'')", answer.outcome_distribution)
        for answer in answers.itertuples()
    ]
    figure = Figure(figsize=(PAGE_WIDTH, 2.6))
    panels = figure.subplots(1, len(futures), sharex=True, sharey=True)
    for axes, (name, distribution) in zip(panels, futures, strict=True):
        distribution = np.asarray(distribution)
        outcome_bars(axes, distribution, task.utility, color=color)
        axes.set_title(f"{name}\nentropy {entropy(distribution):.3f} nats")
        axes.set_xlabel("outcome")
    axes = panels[0]
    outcome_marks(axes, policy["counterfactual_distribution"])
    axes.set_ylabel("probability")
    legend_below(figure, [*outcome_handles(color, task), mark_handle("mean of all F'|x''"), even_handle()])

    change = "lowers" if policy["op"] > 0 else "raises"
    title = (
        f"Answering each window {change} the entropy of outcomes by {abs(policy['op']):.2f} nats in the policy with "
        "the highest Op"
    )
    caption = (
        f"The split-history method on the policy with the highest Op ({policy['task']}, {policy['size']}, seed "
        f"{policy['seed']}); {count_text(policies.loc[[policy.name]])}, chosen from {len(policies)}. Left: the future "
        "F, in which the policy answers each window; crosses: the mean of the futures F'|x'', in which it gives its "
        "answer to another window, x''. Others: F'|x'' for its most frequent answers, each with the share of windows "
        f"x'' that it answers so; together, these cover {answers['weight'].sum():.0%} of the windows x''. Bars are "
        "exact probabilities, averaged over repeats; dashed: equal probabilities. Op, the mean entropy of F'|x'' minus "
        f"the entropy of F, is {policy['op']:.3f} nats; Imp is {policy['imp']:.3f} nats. Left out: F'|x'' for its "
        f"other answers ({len(own) - len(answers)}), and all other policies."
    )
    return captioned(figure, title, caption)


@registry.figure("training_outcomes")
def training_outcomes(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw four ways to reach one score, each with its Op and its excess over the Op that the score requires."""
    del tables, style  # computed, from no policy
    good = good_mask(_GOOD_SET, N_OUTCOMES)
    outcomes = computed_outcomes(good, _SUCCESS_RATE)
    figure = Figure(figsize=(COLUMN_WIDTH, 3.6))
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for axes, outcome in zip(panels.flat, outcomes, strict=True):
        outcome_bars(axes, outcome.futures.outcome_distribution, good, color=NEUTRAL)
        axes.set_title(f"{outcome.name}\nOp {outcome.futures.op:.2f}, excess {abs(outcome.op_excess):.2f} nats")
    _label_outer(panels)
    legend_below(figure, outcome_handles(NEUTRAL, Task("good", tuple(good))), [even_handle()])

    measured = [outcome.futures.op for outcome in outcomes]
    title = f"Op ranges from {min(measured):.2f} to {max(measured):.2f} nats at the same success rate"
    caption = (
        f"Four synthetic policies with a success rate of {_SUCCESS_RATE:.2f} on the outcomes "
        f"{', '.join(map(str, _GOOD_SET[:-1]))} and {_GOOD_SET[-1]}: computed, n = 4, no trained policy. Bars: the "
        "future F; dashed: every F'|x'', in which all outcomes are equally likely; grey, because no configured task is "
        f"shown. The score requires an Op of {outcomes[0].op_predicted:.3f} nats; the excess is what favouritism among "
        "the good outcomes or among the others adds."
    )
    return captioned(figure, title, caption)


@registry.figure("impact_kinds")
def impact_kinds(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw an optimizing and a flattening impact on one spiky distribution, with equal Imp and opposite Op."""
    del tables, style  # computed, from no policy
    optimizing, flattening = (tempered(_ORIGINAL, exponent_of(_ORIGINAL, _IMPACT, end)) for end in (10.0, 0.0))
    figure = Figure(figsize=(PAGE_WIDTH, 2.6))
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    titles = [f"original\nentropy {entropy(_ORIGINAL):.3f} nats"]
    for name, future in (("optimizing impact", optimizing), ("flattening impact", flattening)):
        op, imp = entropy(_ORIGINAL) - entropy(future), kl_divergence(future, _ORIGINAL)
        titles.append(f"{name}\nOp {op:+.3f}, Imp {imp:.3f} nats".replace("-", "−"))
    for axes, title, future in zip(panels, titles, (_ORIGINAL, optimizing, flattening), strict=True):
        axes.bar(range(N_OUTCOMES), future, color=NEUTRAL if future is not _ORIGINAL else LIGHT)
        axes.set_title(title)
    for axes in panels[1:]:
        outcome_marks(axes, _ORIGINAL)
    _label_outer(panels[None])
    legend_below(
        figure,
        [
            Patch(color=LIGHT, label="F', the original"),
            Patch(color=NEUTRAL, label="F, after the impact"),
            mark_handle("the original again"),
        ],
    )

    title = "Equal impact can either raise or lower the entropy of outcomes"
    caption = (
        "An original distribution of outcomes, here the only counterfactual future, F', and two that a policy may "
        "turn it into: computed, n = 2, no trained policy. Each is the original raised to a power and normalised. "
        "The exponent is above one for optimizing and below one for flattening impact, such that Imp, KL(F ‖ F'), is "
        f"{_IMPACT} nats for both. Op, H(F') − H(F), is positive for the first and negative for the second. Crosses "
        "repeat the original."
    )
    return captioned(figure, title, caption)


def tempered(distribution: Floats, exponent: float) -> Floats:
    """Raise a distribution to a power: spikier above 1, flatter below."""
    powers = distribution**exponent
    return powers / powers.sum()


def exponent_of(distribution: Floats, impact: float, end: float) -> float:
    """Find the exponent between 1 and ``end`` at which `tempered` moves a distribution by ``impact``, nats."""
    return brentq(lambda exponent: kl_divergence(tempered(distribution, exponent), distribution) - impact, 1.0, end)


def _label_outer(panels: np.ndarray) -> None:
    """Label a grid of panels at its outer edges."""
    for axes in panels.flat:
        axes.set(xlabel="outcome", ylabel="probability", xticks=range(N_OUTCOMES))
        axes.label_outer()


def outcome_handles(color: Any, task: Task) -> Sequence[Artist]:
    """Make legend handles of good and other outcomes, or of the best and the worst."""
    labels = ("good outcome", "other outcome") if task.is_good_set else ("utility {:g}", "utility {:g}")
    ends = (max(task.utility), min(task.utility))
    return [Patch(color=shade(color, end), label=label.format(end)) for end, label in zip(ends, labels, strict=True)]
