"""Names that readers of the tables would not return as the same text.

Names of sizes and tasks become folders. Readers of such folders (pandas, Arrow, DuckDB, Polars) guess the type of a
column from its values, and readers of CSV take some words for missing values: 18000 comes back as a number, NA as a
missing value, and joining tables on these keys then gives no rows and no error.
"""

import re

from sweep.words import RESERVED

_MISSING = {"null", "na", "nan", "none"}
_TRUTH = {"true", "false", "yes", "no", "on", "off"}
_DATE = re.compile(r"\d{1,6}[-.]\d{1,2}[-.]\d{1,4}(?!\d)|epoch$", re.IGNORECASE)
_NUMBER = re.compile(
    r"0[xob][0-9a-f_]+(\.[0-9a-f_]*)?(p[+-]?\d+)?|\d[\d_]*\.?[\d_]*(e[+-]?\d[\d_]*)?|inf(inity)?", re.IGNORECASE
)
_PERIODIC = re.compile(r"(.+?)\1{19,}$")  # like Snakemake's own check


def unusable(name: str) -> str | None:
    """Say why a name of the allowed characters cannot be used.

    Returns:
        The reason, as the end of a sentence that begins with the name; None if the name can be used.
    """
    word = name.lower()
    if word in RESERVED:
        return f"stands for {RESERVED[word]} in tables and figures"
    if word in _MISSING:
        return "is a name that readers of YAML or of the tables take for a missing value"
    if word in _TRUTH:
        return "is a name that readers of YAML or of the tables take for true or false"
    if _DATE.match(name):
        return "is a name that readers of YAML or of the tables take for a date"
    if _NUMBER.fullmatch(name):
        return "is a name that readers of YAML or of the tables take for a number"
    if len(name) >= 20 and (repeated := _PERIODIC.search(name)):
        return f"ends with {repeated[1]!r} 20 times or more, which Snakemake takes for rules that never end"
    return None
