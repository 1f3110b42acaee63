"""Names for the scores of policies: the success rate on a good set, the mean utility of a graded task."""

from collections.abc import Iterable

import pandas as pd

from splithistory.task import Task


def tasks_of(policies: pd.DataFrame) -> dict[str, Task]:
    """Return the tasks that the policies were trained on, by name."""
    firsts = policies.drop_duplicates("task")
    columns = (firsts[name] for name in ("task", "utility", "chance"))
    return {name: Task(name, tuple(utility), chance) for name, utility, chance in zip(*columns, strict=True)}


def score(tasks: Iterable[Task]) -> str:
    """Name the score of the policies."""
    return _worded(tasks, "success rate", "mean utility", both="success rate or mean utility")


def short_score(tasks: Iterable[Task]) -> str:
    """Name the score in short, for places that speak of a mean or sum anyway."""
    return _worded(tasks, "success", "utility", both="success or utility")


def scoring_less(tasks: Iterable[Task]) -> str:
    """Name a fall of the score, as policies' doing."""
    return _worded(tasks, "succeed less", "gain less utility", both="score less")


def measure_names(tasks: Iterable[Task]) -> dict[str, str]:
    """Map the measures that identify tasks from their names in summary tables to those in figures."""
    return {"op": "Op", "imp": "Imp", "meg": "MEG", "success_rate": f"{short_score(tasks)} above chance"}


def chance_text(tasks: Iterable[Task]) -> str:
    """Define chance, as an apposition to the word."""
    good, graded = "the share of good outcomes", "the mean utility of all outcomes"
    return _worded(tasks, good, graded, both=f"{good} or, of a graded task, {graded}")


def predicted_op_text(tasks: Iterable[Task]) -> str:
    """Define Op_pred, with s and p."""
    good = "s ln(s/p) + (1 − s) ln((1 − s)/(1 − p)), with s the success rate and p the share of good outcomes"
    graded = "the least KL divergence from uniform of any distribution with the policy's mean utility"
    return _worded(tasks, good, graded, both=f"{good}, or for a graded task {graded}")


def imp_minimum_text(tasks: Iterable[Task]) -> str:
    """Define Imp_min in a sentence, with s and q."""
    good = "s ln(s/q) + (1 − s) ln((1 − s)/(1 − q)), with s the success rate and q that under the split history"
    graded = "the least KL divergence from the mean of F'|x'' of any distribution with the policy's mean utility"
    return f"Imp_min is {_worded(tasks, good, graded, both=f'{good}, or for a graded task {graded}')}."


def theory_text(tasks: Iterable[Task]) -> str:
    """Describe what `optimization.theory_curves` draws, in a sentence that follows 'Curves: '."""
    tasks = list(tasks)
    good = "a policy that is indifferent among the good outcomes and among the others"
    graded = "a policy that changes its outcomes no more than its mean utility requires"
    whose = _worded(tasks, good, graded, both=f"{good} or, for a graded task, of {graded}")
    below = _worded(tasks, "below p, which is chance", "below chance", both="below chance")
    return f"Op expected of {whose}, {predicted_op_text(tasks)}; paler {below}."


def better_text(number: int, of: int, task: Task, reference: str) -> str:
    """Say how many policies do better on a task than a reference, such as 'chance'."""
    if task.is_good_set:
        return f"{number} of {of} succeed more often than {reference}."
    return f"{number} of {of} have more utility than {reference}."


def _worded(tasks: Iterable[Task], good_sets: str, graded: str, both: str) -> str:
    """Choose the words for tasks that are all good sets, all graded, or some of each."""
    kinds = {task.is_good_set for task in tasks}
    return both if kinds == {True, False} else graded if kinds == {False} else good_sets
