"""The tables on disk: one schema each, checked on writing, written whole or not at all.

A table is a Parquet file; `provenance` says what its metadata holds.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa_frame
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandera.errors import SchemaErrors

from sweep.errors import REMEDY, TableError
from sweep.files import replacing
from sweep.provenance import with_metadata

Check = pa_frame.Check
Column = pa_frame.Column


def _column(dtype: Any, arrow: pa.DataType, check: Check | None = None, nullable: bool = False) -> Column:
    """A column as pandas holds it, and as Parquet does."""
    return Column(dtype, check, nullable=nullable, metadata={"arrow": arrow})


def _integer(low: int = 0, high: int | None = None) -> Column:
    return _column("int64", pa.int64(), Check.in_range(low, high) if high is not None else Check.ge(low))


def _number(low: float = -np.inf, high: float = np.inf, nullable: bool = False) -> Column:
    return _column("float64", pa.float64(), Check.in_range(low, high), nullable)


def _text(*allowed: str, nullable: bool = False) -> Column:
    return _column("string", pa.string(), Check.isin(allowed) if allowed else None, nullable)


def _nullable_integer(low: int, high: int | None = None) -> Column:
    return _column("Int64", pa.int64(), Check.in_range(low, high) if high is not None else Check.ge(low), nullable=True)


def _truth() -> Column:
    return _column("bool", pa.bool_())


def _list(element: pa.DataType, length: int | None = None) -> Column:
    check = Check(lambda values: len(values) == length, element_wise=True) if length is not None else None
    return _column(object, pa.list_(element), check)


def _schema(columns: dict[str, Column]) -> pa_frame.DataFrameSchema:
    return pa_frame.DataFrameSchema(columns, strict=True, ordered=True)


_RATE = {"low": 0.0, "high": 1.0}
_LOG_8, _LOG_16 = float(np.log(8)) + 1e-9, float(np.log(16)) + 1e-9
_POLICY_KEYS = {"task": _text(), "size": _text(), "seed": _integer()}
_DISTRIBUTION = _list(pa.float64(), 8)

_MEASURED = {
    "repeat": _integer(),
    "estimator": _text("exact", "monte_carlo"),
    "counterfactual": _text("split_history", "do_nothing", "random_token", "untrained", "pretrained"),
    "n_contexts": _integer(1),
    "n_distinct_actions": _integer(1),
    "entropy": _number(-1e-9, _LOG_8),
    "entropy_counterfactual": _number(-1e-9, _LOG_8),
    "op": _number(-_LOG_8, _LOG_8),
    "imp": _number(-1e-9),
    "outcome_distribution": _DISTRIBUTION,
    "counterfactual_distribution": _DISTRIBUTION,
}
_PRETRAIN_ROWS = {
    "step": _integer(1),
    "train_loss": _number(0),
    "validation_loss": _number(0),
    "validation_accuracy": _number(**_RATE),
    "learning_rate": _number(0),
}
_FINETUNE_ROWS = {
    "step": _integer(1),
    "sampled_success_rate": _number(**_RATE),
    "success_rate": _number(**_RATE),
    "reinforcement_loss": _number(0),
    "maintenance_loss": _number(0),
    "natural_loss": _number(0),
}
# Quartiles over windows; missing where no window defines the measure.
_DIFFERENTIAL_ROWS = {
    "block": _integer(),
    "component": _text("attention", "mlp"),
    "future": _text("block", "end"),
    "op_median": _number(nullable=True),
    "op_low": _number(nullable=True),
    "op_high": _number(nullable=True),
    "imp_median": _number(-1e-9, nullable=True),
    "imp_low": _number(-1e-9, nullable=True),
    "imp_high": _number(-1e-9, nullable=True),
    "n_windows": _integer(1),
    "n_undefined": _integer(),
    "reason": _text(nullable=True),
}
_STAGE_KEYS = {
    "stage": _text("pretrain", "finetune"),
    "task": _text(nullable=True),
    "size": _text(),
    "seed": _integer(),
}


def _made_nullable(columns: Mapping[str, Column]) -> dict[str, Column]:
    return {
        name: Column(column.dtype, column.checks, nullable=True, metadata=column.metadata)
        for name, column in columns.items()
    }


SCHEMAS: dict[str, pa_frame.DataFrameSchema] = {
    "sequences": _schema({"chain": _integer(), "tokens": _list(pa.uint8())}),
    "checkpoint": _schema(
        {"name": _text(), "shape": _list(pa.int64()), "dtype": _text("float32"), "values": _list(pa.float32())}
    ),
    "pretrained/training": _schema(_PRETRAIN_ROWS),
    "finetuned/training": _schema(_FINETUNE_ROWS),
    "finetuned/success": _schema(
        {
            "success_rate": _number(**_RATE),
            "chance": _number(**_RATE),
            "n_contexts": _integer(1),
            "outcome_counts": _list(pa.int64(), 8),
            "outcome_counts_pretrained": _list(pa.int64(), 8),
            "off_alphabet_rate": _number(**_RATE),
        }
    ),
    "finetuned/measured": _schema(_MEASURED),
    "finetuned/bootstrap": _schema(
        {
            "draw": _integer(),
            "op": _number(-_LOG_8, _LOG_8),
            "imp": _number(-1e-9),
            "outcome_distribution": _DISTRIBUTION,
            "counterfactual_distribution": _DISTRIBUTION,
        }
    ),
    "finetuned/self_estimate": _schema(
        {
            "repeat": _integer(),
            "n_contexts": _integer(1),
            "entropy": _number(-1e-9, _LOG_16),
            "entropy_counterfactual": _number(-1e-9, _LOG_16),
            "op": _number(-_LOG_16, _LOG_16),
            "imp": _number(-1e-9),
            "odd_token_mass": _number(**_RATE),
        }
    ),
    "finetuned/actions": _schema(
        {
            "repeat": _integer(),
            "action": _integer(0, 15),
            "weight": _number(**_RATE),
            "outcome_distribution": _DISTRIBUTION,
        }
    ),
    "differential": _schema(_DIFFERENTIAL_ROWS),
    "summary/generator": _schema(_MEASURED),
    "summary/policies": _schema(
        {
            "task": _text(),
            "n_good": _nullable_integer(1, 7),  # missing for a graded task
            "utility": _list(pa.float64(), 8),
            "chance": _number(**_RATE),
            "size": _text(),
            "n_parameters": _integer(1),
            "seed": _integer(),
            "pretraining_loss": _number(0),
            "maintenance_loss": _number(0),
            "natural_loss": _number(0),
            "off_alphabet_rate": _number(**_RATE),
            "success_rate": _number(**_RATE),
            "success_rate_pretrained": _number(**_RATE),
            "success_rate_counterfactual": _number(**_RATE),
            "op": _number(-_LOG_8, _LOG_8),
            "op_stderr": _number(0, nullable=True),
            "op_predicted": _number(0),
            "op_excess": _number(),
            "op_favouritism": _number(-1e-9),
            "op_within_good": _number(-1e-12, nullable=True),
            "op_within_bad": _number(-1e-12, nullable=True),
            "op_nonuniformity": _number(-1e-9),
            "imp": _number(-1e-9),
            "imp_stderr": _number(0, nullable=True),
            "imp_minimum": _number(-1e-9, nullable=True),
            "imp_minimum_reason": _text(nullable=True),
            "imp_ratio": _number(0, nullable=True),
            "imp_excess": _number(nullable=True),
            "imp_excess_jensen": _number(-1e-9, nullable=True),
            "op_study": _number(-_LOG_8, _LOG_8),
            "op_predicted_study": _number(0),
            "imp_study": _number(-1e-9),
            "imp_minimum_study": _number(-1e-9),
            "op_self": _number(-_LOG_16, _LOG_16),
            "imp_self": _number(-1e-9),
            "identified_task": _text(nullable=True),
            "good_set": _list(pa.int8()),
            "outcome_distribution": _DISTRIBUTION,
            "counterfactual_distribution": _DISTRIBUTION,
        }
    ),
    "summary/cross_objective": _schema(
        _POLICY_KEYS
        | {
            "evaluated_task": _text(),
            "is_training_task": _truth(),
            "success_rate": _number(**_RATE),
            "success_rate_counterfactual": _number(**_RATE),
            "op": _number(-_LOG_8, _LOG_8),
            "op_predicted": _number(0),
            "op_excess": _number(),
            "imp": _number(-1e-9),
            "imp_minimum": _number(-1e-9, nullable=True),
            "imp_ratio": _number(0, nullable=True),
            "imp_excess": _number(nullable=True),
        }
    ),
    "summary/identification": _schema(
        _POLICY_KEYS
        | {
            "measure": _text("op", "imp"),
            "identified_task": _text(nullable=True),
            "correct": _truth(),
            "true_set_rank": _nullable_integer(1),
            "true_set_rank_low": _number(1, nullable=True),
            "true_set_rank_high": _number(1, nullable=True),
            "true_set_rank_reason": _text(nullable=True),
            "n_promoted": _integer(),
            "best_set": _list(pa.int8()),
        }
    ),
    "summary/counterfactuals": _schema(
        _POLICY_KEYS
        | {
            "counterfactual": _MEASURED["counterfactual"],
            "op": _number(-_LOG_8, _LOG_8),
            "op_stderr": _number(0, nullable=True),
            "imp": _number(-1e-9),
            "imp_stderr": _number(0, nullable=True),
        }
    ),
    "summary/actions": _schema(
        _POLICY_KEYS | {"action": _integer(0, 15), "weight": _number(**_RATE), "outcome_distribution": _DISTRIBUTION}
    ),
    "summary/training": _schema(
        _STAGE_KEYS
        | {"step": _integer(1)}
        | _made_nullable({name: column for name, column in (_PRETRAIN_ROWS | _FINETUNE_ROWS).items() if name != "step"})
    ),
    "summary/differential": _schema(_STAGE_KEYS | _DIFFERENTIAL_ROWS),
    "summary/fits": _schema(
        {
            "figure": _text(),
            "group": _text(),
            "slope": _number(nullable=True),
            "slope_stderr": _number(0, nullable=True),
            "intercept": _number(nullable=True),
            "intercept_stderr": _number(0, nullable=True),
            "r_squared": _number(-1e-9, 1 + 1e-9, nullable=True),
            "n": _integer(0),
        }
    ),
    "summary/claims": _schema(
        {
            "claim": _integer(1),
            "statement": _text(),
            "statistic": _text(),
            "value": _number(nullable=True),
            "low": _number(nullable=True),
            "high": _number(nullable=True),
            "side": _text("above", "below", "within"),
            "threshold": _number(),
            "verdict": _text("replicated", "not replicated", "inconclusive"),
            "verdict_claim": _text("replicated", "not replicated", "inconclusive"),
            "n": _integer(0),
        }
    ),
    "manifest": _schema(
        {"path": _text(), "rows": _integer(), "sha256": _text(), "configuration_hash": _text(nullable=True)}
    ),
}


@cache
def arrow_schema(name: str) -> pa.Schema:
    """The Arrow schema of a table, from its pandera schema."""
    return pa.schema([(column, spec.metadata["arrow"]) for column, spec in SCHEMAS[name].columns.items()])


def validated(frame: pd.DataFrame, name: str, path: Path | str) -> pd.DataFrame:
    """Check a frame against the schema of its table.

    Args:
        frame: the rows.
        name: key of `SCHEMAS`.
        path: the file that the message names.

    Raises:
        TableError: with every column that fails, what is expected of it and what it holds.
    """
    try:
        return SCHEMAS[name].validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "check"])
        problems = [
            f"{case.column or case.failure_case}: {case.check}, got {case.failure_case}" for case in cases.itertuples()
        ]
        raise TableError(f"{path}: not a valid '{name}' table", problems) from error


def validate_table(table: pa.Table, name: str, path: Path | str) -> None:
    """Check a table that was read against every rule of its schema.

    Args:
        table: from `read_table`.
        name: key of `SCHEMAS`.
        path: the file that the message names.

    Raises:
        TableError: as `validated` does.
    """
    frame = table.to_pandas(types_mapper=lambda arrow: pd.StringDtype() if arrow == "string" else None)
    nullable = [column for column, spec in SCHEMAS[name].columns.items() if str(spec.dtype) == "Int64"]
    validated(frame.astype(dict.fromkeys(nullable, "Int64")), name, path)


def write_table(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], name: str, path: Path | str, provenance: Mapping[str, Any]
) -> None:
    """Check rows against their schema and write them whole or not at all.

    Args:
        rows: a frame, or one mapping a row.
        name: key of `SCHEMAS`.
        path: the Parquet file; its folder is made.
        provenance: see `provenance.provenance`.

    Raises:
        TableError: if the rows do not fit the schema.
    """
    schema = arrow_schema(name)
    if not isinstance(rows, pd.DataFrame):
        rows = list(rows)
    frame = pd.DataFrame(rows) if len(rows) else pd.DataFrame(columns=schema.names)
    frame = validated(_cast(frame, name, path), name, path)
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    with replacing(path) as temporary:
        pq.write_table(with_metadata(table, provenance), temporary, write_page_checksum=True)


def read_table(path: Path | str, name: str) -> pa.Table:
    """Read a table and check that it has the columns of its schema.

    Args:
        path: the Parquet file.
        name: key of `SCHEMAS`.

    Raises:
        TableError: if the file is missing, truncated, not Parquet or another table.
    """
    expected = arrow_schema(name)
    try:
        # Small files are read faster without further threads.
        with pa.OSFile(str(path)) as file:  # quicker than by its path
            table = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False).read(use_threads=False)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; expected a '{name}' table. Rerun snakemake to make it") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}); expected a '{name}' table. {REMEDY}"
        ) from error
    if not table.schema.equals(expected):
        raise TableError(
            f"{path}: not a '{name}' table: expected the columns {_described(expected)}; "
            f"got {_described(table.schema)}. {REMEDY}"
        )
    holes = [column for column, spec in SCHEMAS[name].columns.items() if not spec.nullable and _n_nulls(table[column])]
    if holes:
        raise TableError(
            f"{path}: not a '{name}' table: no value is missing in one, but some are in {', '.join(holes)}. {REMEDY}"
        )
    return table


def _n_nulls(column: pa.ChunkedArray) -> int:
    """Missing values of a column, those inside lists among them."""
    return column.null_count + (pc.list_flatten(column).null_count if pa.types.is_list(column.type) else 0)


def _cast(frame: pd.DataFrame, name: str, path: Path | str) -> pd.DataFrame:
    """The columns of a table in its order and of its types; a value that would change is an error."""
    columns = SCHEMAS[name].columns
    problems = [f"{column}: missing" for column in columns if column not in frame]
    problems += [f"{column}: not a column of this table" for column in frame if column not in columns]
    cast = {}
    for column in columns.keys() & set(frame):
        dtype = columns[column].dtype.type
        try:
            cast[column] = frame[column].astype(dtype)
            if dtype == "int64" and (cast[column] != frame[column]).any():
                raise ValueError(f"{frame[column][cast[column] != frame[column]].iloc[0]} is not a whole number")
        except (TypeError, ValueError) as error:
            problems.append(f"{column}: expected {dtype}, but {error}")
    if problems:
        raise TableError(f"{path}: not a valid '{name}' table", problems)
    return pd.DataFrame({column: cast[column] for column in columns})


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
