"""The building blocks of schemas."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa

ROUNDING = 1e-9  # how far rounding may take a number out of its range


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        type: Arrow type of the values.
        meaning: what a value means, beginning in lower case and without a full stop.
        low: smallest number allowed.
        high: largest number allowed.
        allowed: the texts allowed; any if empty.
        length: length of each list; any if None.
        nullable: whether values may be missing.
        unit: unit of the numbers; empty for counts and pure numbers.
        section: section of the method that defines the quantity, such as '4.7'; empty if none does.
    """

    type: pa.DataType
    meaning: str
    low: float = -np.inf
    high: float = np.inf
    allowed: tuple[str, ...] = ()
    length: int | None = None
    nullable: bool = False
    unit: str = ""
    section: str = ""

    @property
    def range(self) -> str:
        """The values allowed, in words, such as 'from 0 to ln 8' or 'at least 0; may be missing'; empty if all are."""
        values = ""
        if self.allowed:
            values = ", ".join(self.allowed)
        elif self.length is not None:
            values = f"{self.length} numbers"
        elif np.isfinite(self.low):
            values = f"at least {_in_words(self.low)}"
            if np.isfinite(self.high):
                values = f"from {_in_words(self.low)} to {_in_words(self.high)}"
        return "; ".join(filter(None, [values, "may be missing" if self.nullable else ""]))

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the column's field in a Parquet file."""
        entries = {"description": self.meaning, "unit": self.unit, "range": self.range, "section": self.section}
        return {key: text for key, text in entries.items() if text}


@dataclass(frozen=True, eq=False)
class Schema:
    """The columns of a table, in order.

    Attributes:
        name: name in messages: the table's folder and name, or its name alone if several stages write such tables.
        rows: what a row of the table is, such as 'one row per policy'.
        columns: the columns, by name.
    """

    name: str
    rows: str
    columns: Mapping[str, Column]

    @property
    def table(self) -> str:
        """Name of the table within its stage."""
        return self.name.rpartition("/")[2]

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, with the metadata of each column."""
        return pa.schema(pa.field(name, column.type, metadata=column.metadata) for name, column in self.columns.items())


def text(meaning: str, *allowed: str, nullable: bool = False, section: str = "") -> Column:
    """Create a column of texts; if any are named, of those alone."""
    return Column(pa.string(), meaning, allowed=allowed, nullable=nullable, section=section)


def lists(meaning: str, element: pa.DataType, length: int | None = None, section: str = "") -> Column:
    """Create a column of lists."""
    return Column(pa.list_(element), meaning, length=length, section=section)


def _in_words(limit: float) -> str:
    """Put a limit into words, without the room for rounding."""
    for name, value in {"0": 0, "1": 1, "ln 8": LOG_8, "ln 16": LOG_16, "-ln 8": -LOG_8, "-ln 16": -LOG_16}.items():
        if abs(limit - value) <= ROUNDING:
            return name
    return f"{limit:g}"


# After the meaning, these take the lowest and the highest number allowed.
integer = partial(Column, pa.int64())
number = partial(Column, pa.float64())
nats = partial(number, unit="nats")
count = partial(integer, low=0)
rate = partial(number, low=0, high=1)
truth = partial(Column, pa.bool_())
LOG_8, LOG_16 = float(np.log(8)) + ROUNDING, float(np.log(16)) + ROUNDING  # the most nats 8 or 16 outcomes can have
distribution = partial(lists, element=pa.float64(), length=8)  # of the outcomes
SUCCESS_RATE = rate("success rate under F; for a graded task the mean utility", section="4.7")
OUTCOME_DISTRIBUTION = distribution("F: the probability of each outcome", section="4.1")
