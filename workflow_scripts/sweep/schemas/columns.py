"""What a schema is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        type: as Parquet holds it.
        low: smallest number allowed.
        high: largest number allowed.
        allowed: the texts allowed; any if empty.
        length: of each list; any if None.
        nullable: whether values may be missing.
    """

    type: pa.DataType
    low: float = -np.inf
    high: float = np.inf
    allowed: tuple[str, ...] = ()
    length: int | None = None
    nullable: bool = False


@dataclass(frozen=True, eq=False)
class Schema:
    """The columns of a table, in their order.

    Attributes:
        name: of the table in messages: its folder, and where several stages write such tables the last part of it.
        columns: by name.
    """

    name: str
    columns: Mapping[str, Column]

    @cached_property
    def arrow(self) -> pa.Schema:
        """As Arrow has it."""
        return pa.schema([(name, column.type) for name, column in self.columns.items()])


def integer(low: int = 0, high: float = np.inf, nullable: bool = False) -> Column:
    """Whole numbers from `low` to `high`."""
    return Column(pa.int64(), low, high, nullable=nullable)


def number(low: float = -np.inf, high: float = np.inf, nullable: bool = False) -> Column:
    """Real numbers from `low` to `high`."""
    return Column(pa.float64(), low, high, nullable=nullable)


def text(*allowed: str, nullable: bool = False) -> Column:
    """Text, one of `allowed` where there are any."""
    return Column(pa.string(), allowed=allowed, nullable=nullable)


def truth() -> Column:
    """True or false."""
    return Column(pa.bool_())


def listed(element: pa.DataType, length: int | None = None) -> Column:
    """Lists of `length` elements, or of any number."""
    return Column(pa.list_(element), length=length)


def made_nullable(columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns, any value of which may be missing."""
    return {name: replace(column, nullable=True) for name, column in columns.items()}


LOG_8, LOG_16 = float(np.log(8)) + 1e-9, float(np.log(16)) + 1e-9  # nats; the most that 8 or 16 outcomes can have
RATE = number(0, 1)
DISTRIBUTION = listed(pa.float64(), 8)  # of the outcomes
