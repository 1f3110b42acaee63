"""The figures, drawn from summary tables alone.

`FIGURES` names them in the order of the report, so that the Snakefile can list them without importing matplotlib.
Each figure is one function in a module of this package, registered by `registry.figure`; `drawing` imports them all.
"""

from collections.abc import Sequence

# Names with {task} stand for one figure per task.
FIGURES = (
    "graphical_abstract",
    "training_runs_{task}",
    "training_summary_{task}",
    "loss_vs_parameters",
    "success_vs_parameters",
    "split_history",
    "op_vs_parameters",
    "op_vs_success",
    "op_vs_predicted",
    "training_outcomes",
    "cross_op_vs_success_{task}",
    "cross_op_vs_predicted_{task}",
    "identification",
    "op_vs_goal_directedness",
    "identification_by_measure",
    "identification_along_training",
    "impact_kinds",
    "imp_vs_parameters",
    "imp_vs_minimum",
    "counterfactual_success_vs_parameters",
    "counterfactuals",
    "rollouts_vs_natural",
    "cross_imp_vs_minimum_{task}",
    "imp_ratio_{task}",
    "imp_excess_{task}",
    "self_op_vs_measured",
    "self_imp_vs_measured",
    "differential",
)


def figure_names(tasks: Sequence[str]) -> list[str]:
    """Return the names of all figures for these tasks, in order."""
    return list(figures_of(tasks))


def figures_of(tasks: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Map each figure's name to its entry of `FIGURES` and its task; task names may contain underscores."""
    return {
        entry.format(task=task): (entry, task) for entry in FIGURES for task in (tasks if "{task}" in entry else [None])
    }
