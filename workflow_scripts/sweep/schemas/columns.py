"""What a schema is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

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
        name: in messages: the table's folder and name, or its name alone where more than one stage writes such tables.
        columns: by name.
    """

    name: str
    columns: Mapping[str, Column]

    @property
    def table(self) -> str:
        """Name of the table in its stage."""
        return self.name.rpartition("/")[2]

    @cached_property
    def arrow(self) -> pa.Schema:
        """As Arrow has it."""
        return pa.schema([(name, column.type) for name, column in self.columns.items()])


def text(*allowed: str, nullable: bool = False) -> Column:
    """A column of texts, of those alone that are named if there are any."""
    return Column(pa.string(), allowed=allowed, nullable=nullable)


def lists(element: pa.DataType, length: int | None = None) -> Column:
    """A column of lists."""
    return Column(pa.list_(element), length=length)


integer = partial(Column, pa.int64())  # low and high, both inclusive
number = partial(Column, pa.float64())
COUNT, TRUTH, RATE = integer(0), Column(pa.bool_()), number(0, 1)
LOG_8, LOG_16 = float(np.log(8)) + 1e-9, float(np.log(16)) + 1e-9  # nats; the most that 8 or 16 outcomes can have
DISTRIBUTION = lists(pa.float64(), 8)  # of the outcomes
