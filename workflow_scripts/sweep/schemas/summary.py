"""The summary tables, by name."""

from dataclasses import replace
from functools import partial

import pyarrow as pa

from sweep.schemas.columns import (
    LOG_8,
    LOG_16,
    ROUNDING,
    SUCCESS_RATE,
    Column,
    Schema,
    count,
    distribution,
    integer,
    lists,
    nats,
    number,
    rate,
    text,
    truth,
)
from sweep.schemas.differential import DIFFERENTIAL
from sweep.schemas.finetune import REINFORCEMENT
from sweep.schemas.measure import (
    ACTION,
    CHANCE,
    COUNTERFACTUAL,
    DISTRIBUTIONS,
    ESTIMATOR,
    FUTURE_OF_ACTION,
    MEASURES,
    MEG_ANY,
    OFF_ALPHABET_RATE,
    WINDOWS,
)
from sweep.schemas.pretrain import PRETRAINING

_TASK = text("task that the policy was reinforced for", section="3.7")
_MODEL = {
    "size": text("size of the model", section="2.2"),
    "seed": count("seed of the model", section="2.4"),
}
_POLICY = {"task": _TASK, **_MODEL}
_STAGE = {
    "stage": text("whether a row belongs to pretraining or to reinforcement", "pretrain", "finetune"),
    "task": replace(_TASK, nullable=True),
    **_MODEL,
}


def _stderr(name: str, column: Column) -> dict[str, Column]:
    """Create the column with the standard error of a mean over repeats; it is missing if there is only one."""
    meaning = f"standard error of {name} over the repeats"
    return {f"{name}_stderr": number(meaning, 0, nullable=True, unit=column.unit, section="4.4")}


def _at_the_end(training: Schema, name: str) -> Column:
    """Create the column with a column's value at the last evaluation of training."""
    column = training.columns[name]
    return replace(column, meaning=f"{column.meaning}, at the end of training")


_OP, _IMP = MEASURES["op"], MEASURES["imp"]
_OP_STDERR, _IMP_STDERR = _stderr("op", _OP), _stderr("imp", _IMP)
_MEG_TASK = nats("maximum-entropy goal-directedness towards the policy's own task", 0, LOG_16, section="13.1")
_SUCCESS_RATE_COUNTERFACTUAL = rate(
    "success rate under F', the mean of F'|x''; for a graded task the mean utility", section="5.2"
)
_OP_PREDICTED = nats("Op_pred, the Op that the success rate asks for", 0, section="4.7")
_OP_EXCESS = nats("op minus op_predicted", section="8.1")
_IMP_MINIMUM = nats(
    "Imp_min, the least Imp for the two success rates; missing where infinite", -ROUNDING, nullable=True, section="5.2"
)
_IMP_RATIO = number("imp divided by imp_minimum; missing where that is 0 or missing", 0, nullable=True, section="5.5")
_IMP_EXCESS = nats("imp minus imp_minimum", nullable=True, section="5.5")
_IDENTIFIED_TASK = text(
    "task that the measure identifies; missing where no task is promoted", nullable=True, section="8.2"
)
_CORRECT = truth("whether identified_task is the policy's own task", section="8.2")
_RANK = integer(
    "rank of the task's good set among all promoted ones; missing where it is not promoted, or the task is graded",
    1,
    nullable=True,
    section="8.3",
)
_RANK_LIMIT = partial(number, low=1, nullable=True, section="8.4")
_JUDGED = {
    "evaluated_task": text("task that the policy is judged by", section="8.1"),
    "is_training_task": truth("whether evaluated_task is the policy's own task", section="8.1"),
    "success_rate": SUCCESS_RATE,
    "success_rate_counterfactual": _SUCCESS_RATE_COUNTERFACTUAL,
    "op": _OP,
    "op_predicted": _OP_PREDICTED,
    "op_excess": _OP_EXCESS,
    "imp": _IMP,
    "imp_minimum": _IMP_MINIMUM,
    "imp_ratio": _IMP_RATIO,
    "imp_excess": _IMP_EXCESS,
    **_OP_STDERR,
    **_IMP_STDERR,
    "meg": nats(
        "maximum-entropy goal-directedness towards the task; missing for Monte Carlo",
        0,
        LOG_16,
        nullable=True,
        section="13.1",
    ),
}
_VERDICTS = ("replicated", "not replicated", "inconclusive")
_STATISTIC = partial(number, nullable=True)

_MEASURE = text("measure that the task is identified by", "op", "imp", "meg", "success_rate", section="13")
_GAINED = number(  # below 0 where a policy does worse than by chance
    "success rate less chance, over the most that can be gained beyond chance", high=1 + ROUNDING, section="3.7"
)

_POLICIES = Schema(
    "summary/policies",
    "one row per policy: means over repeats against the split history on natural windows, by the exact estimator "
    "except where a name ends in _study",
    {
        "task": _TASK,
        "n_good": integer("number of good outcomes; missing for a graded task", 1, 7, nullable=True, section="3.7"),
        "utility": distribution("utility of each outcome, 1 or 0 for a good set", section="12"),
        "chance": CHANCE,
        "size": _MODEL["size"],
        "n_parameters": integer("number of parameters of the model", 1, section="2.2"),
        "seed": _MODEL["seed"],
        "windows": WINDOWS,
        "pretraining_loss": _at_the_end(PRETRAINING, "validation_loss"),
        "maintenance_loss": _at_the_end(REINFORCEMENT, "maintenance_loss"),
        "natural_loss": _at_the_end(REINFORCEMENT, "natural_loss"),
        "off_alphabet_rate": OFF_ALPHABET_RATE,
        "success_rate": SUCCESS_RATE,
        "success_rate_pretrained": rate(
            "success rate of the pretrained model on the same task, with sampled noise; for a graded task the mean "
            "utility",
            section="3.7",
        ),
        "success_rate_counterfactual": _SUCCESS_RATE_COUNTERFACTUAL,
        **MEASURES,
        **{key: error for name, column in MEASURES.items() for key, error in _stderr(name, column).items()},
        "meg_task": _MEG_TASK,
        **_stderr("meg_task", _MEG_TASK),
        "meg_any": MEG_ANY,
        **_stderr("meg_any", MEG_ANY),
        "op_predicted": _OP_PREDICTED,
        "op_excess": _OP_EXCESS,
        "op_favouritism": nats(
            "favouritism: the part of Op that comes from preferring some outcomes to others of equal utility",
            -ROUNDING,
            section="12.4",
        ),
        "op_within_good": nats(
            "favouritism among successes; missing for a graded task",
            -ROUNDING,
            nullable=True,
            section="4.8",
        ),
        "op_within_bad": nats(
            "favouritism among failures; missing for a graded task",
            -ROUNDING,
            nullable=True,
            section="4.8",
        ),
        "op_nonuniformity": nats("ln 8 minus the mean entropy of F'|x''", -ROUNDING, section="4.9"),
        "imp_minimum": _IMP_MINIMUM,
        "imp_minimum_reason": text("why imp_minimum is missing", nullable=True, section="5.6"),
        "imp_ratio": _IMP_RATIO,
        "imp_excess": _IMP_EXCESS,
        "imp_excess_jensen": nats(
            "part of imp_excess due to answers that succeed at different rates in other windows",
            -ROUNDING,
            nullable=True,
            section="5.5",
        ),
        "op_study": replace(_OP, meaning="op by the Monte Carlo estimator, as the study measured it", section="4.4"),
        "op_predicted_study": nats("op_predicted by the Monte Carlo estimator", 0, section="4.4"),
        "imp_study": nats("imp by the Monte Carlo estimator, as the study measured it", -ROUNDING, section="4.4"),
        "imp_minimum_study": nats("imp_minimum by the Monte Carlo estimator", -ROUNDING, section="4.4"),
        "op_self": nats("Op by the policy's own predictions of what follows", -LOG_16, LOG_16, section="7.1"),
        "imp_self": nats("Imp by the policy's own predictions of what follows", -ROUNDING, section="7.1"),
        "identified_task": replace(_IDENTIFIED_TASK, meaning=_IDENTIFIED_TASK.meaning.replace("the measure", "Op")),
        "good_set": lists("good outcomes; empty for a graded task", pa.int8(), section="3.7"),
        **DISTRIBUTIONS,
    },
)
_CROSS_OBJECTIVE = Schema(
    "summary/cross_objective",
    "one row per policy and task of the sweep: the policy judged by the task, means over exact repeats",
    {**_POLICY, "windows": WINDOWS, **_JUDGED},
)
_WINDOWS = Schema(
    "summary/windows",
    "one row per policy, task of the sweep, kind of windows and estimator: the policy judged by the task",
    {**_POLICY, "windows": WINDOWS, "estimator": ESTIMATOR, **_JUDGED},
)
_COUNTERFACTUALS = Schema(
    "summary/counterfactuals",
    "one row per policy and counterfactual: means over exact repeats",
    {
        **_POLICY,
        "windows": WINDOWS,
        "counterfactual": COUNTERFACTUAL,
        "op": _OP,
        **_OP_STDERR,
        "imp": _IMP,
        **_IMP_STDERR,
    },
)
_IDENTIFICATION = Schema(
    "summary/identification",
    "one row per policy and measure: the task that it identifies",
    {
        **_POLICY,
        "windows": WINDOWS,
        "measure": text("measure that the task is identified by", "op", "imp", section="8.2"),
        "identified_task": _IDENTIFIED_TASK,
        "correct": _CORRECT,
        "true_set_rank": _RANK,
        "true_set_rank_low": _RANK_LIMIT("lower end of the 95 % bootstrap interval of the rank"),
        "true_set_rank_high": _RANK_LIMIT("upper end of the 95 % bootstrap interval of the rank"),
        "true_set_rank_reason": text("why there is no rank", nullable=True, section="8.3"),
        "n_promoted": count(
            "number of promoted good sets, out of 127 pairs of a set and its complement", section="8.3"
        ),
        "best_set": lists("outcomes of the good set that explains the most", pa.int8(), section="14.1"),
    },
)
_GOAL_DIRECTEDNESS = Schema(
    "summary/goal_directedness",
    "one row per policy and measure: goal-directedness beside Op and Imp",
    {
        **_POLICY,
        "measure": _MEASURE,
        "meg_task": _MEG_TASK,
        "beta": number(
            "β, how strongly the actions pursue the utility of the policy's own task; negative where they avoid it",
            section="13.1",
        ),
        "meg_any": MEG_ANY,
        "identified_task": _IDENTIFIED_TASK,
        "correct": _CORRECT,
        "true_set_rank": _RANK,
    },
)
_ALONG_TRAINING = Schema(
    "summary/along_training",
    "one row per policy, evaluation of its reinforcement and measure, on one window per validation chain",
    {
        **_POLICY,
        "step": REINFORCEMENT.columns["step"],
        "measure": _MEASURE,
        "success_rate": SUCCESS_RATE,
        "gained": _GAINED,
        "value": number("Op, Imp, MEG towards the policy's own task, or its success rate less chance", -LOG_8),
        "predicted": nats(
            "Op_pred or Imp_min for the policy's own task; missing where infinite, and for the other measures",
            -ROUNDING,
            nullable=True,
            section="5.2",
        ),
        "identified_task": _IDENTIFIED_TASK,
        "correct": _CORRECT,
        "true_set_rank": _RANK,
    },
)
_FIRST_IDENTIFIED = Schema(
    "summary/first_identified",
    "one row per policy and measure: the first evaluation from which the policy's task stays identified; missing if it "
    "is not identified at the last one",
    {
        **_POLICY,
        "measure": _MEASURE,
        "step": replace(REINFORCEMENT.columns["step"], nullable=True),
        "success_rate": replace(SUCCESS_RATE, nullable=True),
        "gained": replace(_GAINED, nullable=True),
    },
)
_ACTIONS = Schema(
    "summary/actions",
    "one row per policy and distinct action, means over repeats",
    {
        **_POLICY,
        "action": ACTION,
        "weight": rate("share of the windows that are answered with this action", section="4.3"),
        "outcome_distribution": FUTURE_OF_ACTION,
    },
)
_TRAINING = Schema(
    "summary/training",
    "one row per evaluation; columns of the other stage are missing",
    {
        **_STAGE,
        **{
            name: column if name == "step" else replace(column, nullable=True)
            for name, column in (PRETRAINING.columns | REINFORCEMENT.columns).items()
        },
    },
)
_DIFFERENTIAL = Schema(
    "summary/differential",
    f"{DIFFERENTIAL.rows}; of all pretrained models and policies",
    {**_STAGE, **DIFFERENTIAL.columns},
)
_FITS = Schema(
    "summary/fits",
    "one row per figure and group: a least-squares line through the policies; missing where they do not determine one",
    {
        "figure": text("figure that the line is drawn in"),
        "group": text("task of the policies, or 'all'"),
        "slope": _STATISTIC("slope of the line"),
        "slope_stderr": _STATISTIC("standard error of the slope", 0),
        "intercept": _STATISTIC("intercept of the line", unit="nats"),
        "intercept_stderr": _STATISTIC("standard error of the intercept", 0, unit="nats"),
        "r_squared": _STATISTIC("R², the squared correlation", -ROUNDING, 1 + ROUNDING),
        "n": count("number of policies"),
    },
)
_CLAIMS = Schema(
    "summary/claims",
    "one row per statistic of a claim of the study, or per size where it is taken by size; missing where it cannot be "
    "computed",
    {
        "claim": integer("number of the claim", 1, section="10"),
        "statement": text("what the study says", section="10"),
        "verdict_claim": text("verdict on the claim, from all of its statistics that were not replaced", *_VERDICTS),
        "name": text("name of the statistic in the catalogue of claims"),
        "replaced_by": text("name of the statistic that replaced it, if any; it then does not count", nullable=True),
        "statistic": text("description of the statistic"),
        "size": text("size of the models, where a statistic is taken by size", nullable=True, section="2.2"),
        "value": _STATISTIC("value of the statistic, in the unit that its description gives"),
        "low": _STATISTIC("lower end of the 95 % interval of the statistic"),
        "high": _STATISTIC("upper end of the 95 % interval of the statistic"),
        "low_models": _STATISTIC("lower end of the interval over models alone, without sampling of the windows"),
        "high_models": _STATISTIC("upper end of the interval over models alone, without sampling of the windows"),
        "side": text("where the claim expects the statistic, relative to the threshold", "above", "below", "within"),
        "threshold": number("threshold, in the statistic's unit"),
        "centre": number("what 'within' is about: the claim expects the statistic within centre ± threshold"),
        "verdict": text("verdict on the statistic", *_VERDICTS),
        "n": count("number of models behind the statistic"),
    },
)
SUMMARY = {
    schema.table: schema
    for schema in (
        _POLICIES,
        _CROSS_OBJECTIVE,
        _WINDOWS,
        _COUNTERFACTUALS,
        _IDENTIFICATION,
        _GOAL_DIRECTEDNESS,
        _ALONG_TRAINING,
        _FIRST_IDENTIFIED,
        _ACTIONS,
        _TRAINING,
        _DIFFERENTIAL,
        _FITS,
        _CLAIMS,
    )
}
