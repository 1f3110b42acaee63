"""The summary tables, by name."""

from dataclasses import replace

import pyarrow as pa

from sweep.schemas.columns import COUNT, DISTRIBUTION, LOG_8, LOG_16, RATE, TRUTH, Schema, integer, lists, number, text
from sweep.schemas.differential import DIFFERENTIAL
from sweep.schemas.finetune import REINFORCEMENT
from sweep.schemas.measure import MEASURED, MEASURES, MEG
from sweep.schemas.pretrain import PRETRAINING

_POLICY = {"task": text(), "size": text(), "seed": COUNT}
_STAGE = {"stage": text("pretrain", "finetune"), "task": text(nullable=True), "size": text(), "seed": COUNT}
_LEARNING = PRETRAINING.columns | REINFORCEMENT.columns
_OP, _STDERR = number(-LOG_8, LOG_8), number(0, nullable=True)

_WINDOWS = MEASURED.columns["windows"]
_JUDGED = {
    "evaluated_task": text(),
    "is_training_task": TRUTH,
    "success_rate": RATE,
    "success_rate_counterfactual": RATE,
    "op": _OP,
    "op_predicted": number(0),
    "op_excess": number(),
    "imp": number(-1e-9),
    "imp_minimum": number(-1e-9, nullable=True),
    "imp_ratio": number(0, nullable=True),
    "imp_excess": number(nullable=True),
    "op_stderr": _STDERR,
    "imp_stderr": _STDERR,
    "meg": replace(MEG, nullable=True),  # missing for Monte Carlo
}
_VERDICT = text("replicated", "not replicated", "inconclusive")
_COLUMNS = {
    "policies": {
        "task": text(),
        "n_good": integer(1, 7, nullable=True),  # missing for a graded task
        "utility": lists(pa.float64(), 8),
        "chance": RATE,
        "size": text(),
        "n_parameters": integer(1),
        "seed": COUNT,
        "windows": _WINDOWS,
        "pretraining_loss": number(0),
        "maintenance_loss": number(0),
        "natural_loss": number(0),
        "off_alphabet_rate": RATE,
        "success_rate": RATE,
        "success_rate_pretrained": RATE,
        "success_rate_counterfactual": RATE,
        **MEASURES,
        **{f"{name}_stderr": _STDERR for name in MEASURES},
        "meg_task": MEG,
        "meg_task_stderr": _STDERR,
        "meg_any": MEG,
        "meg_any_stderr": _STDERR,
        "op_predicted": number(0),
        "op_excess": number(),
        "op_favouritism": number(-1e-9),
        "op_within_good": number(-1e-12, nullable=True),
        "op_within_bad": number(-1e-12, nullable=True),
        "op_nonuniformity": number(-1e-9),
        "imp_minimum": number(-1e-9, nullable=True),
        "imp_minimum_reason": text(nullable=True),
        "imp_ratio": number(0, nullable=True),
        "imp_excess": number(nullable=True),
        "imp_excess_jensen": number(-1e-9, nullable=True),
        "op_study": _OP,
        "op_predicted_study": number(0),
        "imp_study": number(-1e-9),
        "imp_minimum_study": number(-1e-9),
        "op_self": number(-LOG_16, LOG_16),
        "imp_self": number(-1e-9),
        "identified_task": text(nullable=True),
        "good_set": lists(pa.int8()),
        "outcome_distribution": DISTRIBUTION,
        "counterfactual_distribution": DISTRIBUTION,
    },
    "cross_objective": _POLICY | {"windows": _WINDOWS} | _JUDGED,
    "windows": _POLICY | {"windows": _WINDOWS, "estimator": MEASURED.columns["estimator"]} | _JUDGED,
    "counterfactuals": {
        **_POLICY,
        "windows": _WINDOWS,
        "counterfactual": MEASURED.columns["counterfactual"],
        "op": _OP,
        "op_stderr": _STDERR,
        "imp": number(-1e-9),
        "imp_stderr": _STDERR,
    },
    "identification": {
        **_POLICY,
        "windows": _WINDOWS,
        "measure": text("op", "imp"),
        "identified_task": text(nullable=True),
        "correct": TRUTH,
        "true_set_rank": integer(1, nullable=True),
        "true_set_rank_low": number(1, nullable=True),
        "true_set_rank_high": number(1, nullable=True),
        "true_set_rank_reason": text(nullable=True),
        "n_promoted": COUNT,
        "best_set": lists(pa.int8()),
    },
    "goal_directedness": {
        **_POLICY,
        "measure": text("op", "imp", "meg", "success_rate"),
        "meg_task": MEG,
        "beta": number(),
        "meg_any": MEG,
        "identified_task": text(nullable=True),
        "correct": TRUTH,
        "true_set_rank": integer(1, nullable=True),
    },
    "actions": {**_POLICY, "action": integer(0, 15), "weight": RATE, "outcome_distribution": DISTRIBUTION},
    "training": {
        **_STAGE,
        "step": integer(1),
        **{name: replace(column, nullable=True) for name, column in _LEARNING.items() if name != "step"},
    },
    "differential": _STAGE | DIFFERENTIAL.columns,
    "fits": {
        "figure": text(),
        "group": text(),
        "slope": number(nullable=True),
        "slope_stderr": number(0, nullable=True),
        "intercept": number(nullable=True),
        "intercept_stderr": number(0, nullable=True),
        "r_squared": number(-1e-9, 1 + 1e-9, nullable=True),
        "n": COUNT,
    },
    "claims": {
        "claim": integer(1),
        "statement": text(),
        "verdict_claim": _VERDICT,
        "name": text(),  # of the statistic, in the catalogue
        "replaced_by": text(nullable=True),  # name of the statistic that took its place; it has no say in verdict_claim
        "statistic": text(),
        "size": text(nullable=True),  # of the models, where a statistic is taken by size
        "value": number(nullable=True),
        "low": number(nullable=True),
        "high": number(nullable=True),
        "low_models": number(nullable=True),  # of the interval over models alone, as if windows were no sample
        "high_models": number(nullable=True),
        "side": text("above", "below", "within"),
        "threshold": number(),
        "verdict": _VERDICT,
        "n": COUNT,
    },
}
SUMMARY = {name: Schema(f"summary/{name}", columns) for name, columns in _COLUMNS.items()}
