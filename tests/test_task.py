"""The tasks that policies are reinforced on."""

import math
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from splithistory.environment import Recurrence
from splithistory.task import Task, good_mask

EVEN = Recurrence(0.02)
UNEVEN = Recurrence(0.2, (0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7))
GRADED = (0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1)


def test_a_good_set_is_the_case_of_utilities_0_and_1():
    task = Task.from_settings("even", {"good": [6, 0, 2], "finetune": {}}, EVEN)
    assert task == Task("even", (1, 0, 1, 0, 0, 0, 1, 0)) == Task.from_settings("even", {"utility": task.utility}, EVEN)
    assert task.is_good_set
    assert np.flatnonzero(task.good).tolist() == [0, 2, 6]
    assert task.chance == 3 / 8
    assert all(type(value) is float for value in task.utility)


def test_chance_is_the_mean_utility():
    task = Task.from_settings("graded", {"utility": list(GRADED)}, EVEN)
    assert task.chance == pytest.approx(0.5)
    assert Task("low", (0, 0.25)).chance == 0.125


def test_chance_depends_on_the_environment_and_the_mean_does_not():
    task = Task.from_settings("low", {"good": [0, 7]}, UNEVEN)
    assert task.chance == pytest.approx(0.8 * (5 + 1) / 16 + 0.2 * 2 / 8)
    assert task.mean == 2 / 8


@pytest.mark.parametrize("utility", [GRADED, (0.2, 0.8), (0, 1, 0.5), (0, 0.9)])
def test_a_task_of_other_utilities_has_no_good_set(utility):
    task = Task("graded", utility)
    assert not task.is_good_set
    assert task.good is None


@pytest.mark.parametrize("utility", [(), (1,), (0.5, 0.5), (0, 1.1), (-0.1, 1), (0, math.nan), (0, math.inf)])
def test_other_utilities_are_refused(utility):
    with pytest.raises(ValueError, match="utility of task 'x': expected numbers from 0 to 1, not all equal"):
        Task("x", utility)


def test_tasks_are_values():
    task = Task("graded", GRADED)
    assert {task: "found"}[Task("graded", np.array(GRADED))] == "found"
    with pytest.raises(FrozenInstanceError):
        task.name = "other"


def test_good_mask_marks_the_good_outcomes():
    assert np.flatnonzero(good_mask([6, 0, 2], 8)).tolist() == [0, 2, 6]


def test_tasks_depend_on_no_measures():
    code = (
        "import sys, splithistory.task; print(sorted(name for name in sys.modules if name.startswith('splithistory.')))"
    )
    scripts = Path(__file__).parents[1] / "workflow_scripts"
    result = subprocess.run([sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['splithistory.environment', 'splithistory.sequence', 'splithistory.task']"
