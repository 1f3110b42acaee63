"""The tables of claims without the windows of one repeat, compared with tables made without that repeat."""

import numpy as np
import pandas as pd
import pytest

from sweep.identification import identification_table
from sweep.left_out import without_each_repeat
from sweep.summary import KEYS, Judges, cross_objective_table, policies_table
from test_summary import JUDGES, N_REPEATS, PARAMETERS, bootstrap_frame, measured_and_actions, stages


def tables_of(measured, actions, self_estimates):
    """Make the same tables with the functions that make those of a sweep."""
    pretrained, finetuned = stages(measured, actions)
    crossed = cross_objective_table(measured, JUDGES)
    identification = identification_table(crossed, {"measured": measured, "bootstrap": bootstrap_frame()}, JUDGES.tasks)
    policies = policies_table(
        pretrained,
        finetuned | {"self_estimate": self_estimates},
        identification=identification,
        n_parameters=PARAMETERS,
        judges=JUDGES,
    )
    return {"policies": policies, "cross_objective": crossed, "identification": identification}


@pytest.fixture(scope="module")
def frames():
    measured, actions = measured_and_actions(seed=3)
    _, finetuned = stages(measured, actions)
    own = finetuned["self_estimate"]
    return measured, actions, pd.concat([own.assign(repeat=repeat, op=own["op"] + repeat / 7) for repeat in range(4)])


def test_each_table_is_as_if_the_repeat_had_not_been_measured(frames):
    generator = pd.DataFrame({"repeat": range(N_REPEATS), "op": 0.1})
    measured, _, self_estimates = frames
    finetuned = {"measured": measured, "self_estimate": self_estimates}
    without = list(without_each_repeat(tables_of(*frames), finetuned, generator, judges=JUDGES))
    assert len(without) == N_REPEATS
    for repeat, found in enumerate(without):
        expected = tables_of(*(frame[frame["repeat"] != repeat] for frame in frames))
        assert found["generator"]["repeat"].tolist() == [other for other in range(N_REPEATS) if other != repeat]
        numbers = [name for name in found["cross_objective"] if name not in (*KEYS, "evaluated_task")]
        read = {
            "policies": [name for name in numbers if name not in ("is_training_task", "meg")] + ["op_self", "imp_self"],
            "cross_objective": numbers,
        }
        for name, columns in read.items():
            np.testing.assert_allclose(
                found[name][columns].to_numpy(dtype=float), expected[name][columns].to_numpy(dtype=float), rtol=1e-9
            )
            assert found[name][KEYS].equals(expected[name][KEYS])
        index = [*KEYS, "measure"]
        correct = expected["identification"].set_index(index)["correct"]
        assert found["identification"].set_index(index)["correct"].to_dict() == correct.to_dict()


def test_a_least_impact_that_is_infinite_in_some_repeat_stays_undefined(frames):
    measured, actions = measured_and_actions(empty_split_history_at=(1, 2))
    summary = tables_of(measured, actions, frames[2])
    finetuned = {"measured": measured, "self_estimate": frames[2]}
    generator = pd.DataFrame({"repeat": range(N_REPEATS)})
    undefined = summary["policies"]["imp_minimum"].isna()
    assert undefined.sum() == 1
    for without in without_each_repeat(summary, finetuned, generator, judges=Judges(JUDGES.tasks, JUDGES.menu)):
        assert without["policies"]["imp_minimum"].isna().equals(undefined)
