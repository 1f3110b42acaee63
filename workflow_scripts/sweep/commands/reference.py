"""Print a reference page in Markdown, generated from the schemas, the claims or the published tables."""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from sweep.code import SCRIPTS
from sweep.configuration.schema import Key, schema_of
from sweep.configuration.wording import dotted, expected
from sweep.formatting import condition
from sweep.layout import POLICY
from sweep.schemas.columns import Column, Schema
from sweep.schemas.summary import SUMMARY
from sweep.tables import read_table
from sweep.workflow import STAGES

HEAD = """# Every key of the configuration

`make reference` writes this page from `config/config.schema.yaml`. Keys that a sweep of your own does not set are as in
`config.yaml`. `NAME` stands for the name of a size or task. Unknown keys, wrong types and values out of range are all
reported at once, before anything is run.

"""

PUBLISHED = {  # by folder below docs/sweeps: the title in the scorecard, and what was reinforced
    "paper": ("Every success", "every success is reinforced, on untouched windows (`make paper`)"),
    "study": (
        "As the study did",
        "the success of one sampled action per window is reinforced, on windows that the policy writes (`make study`)",
    ),
}


def run(arguments: argparse.Namespace) -> int:
    """Print the requested page and return the exit status."""
    print(PAGES[arguments.page](), end="")
    return 0


def configuration_page() -> str:
    """Generate the page of all configuration keys."""
    return HEAD + _table(("key", "meaning", "allowed values", "default"), _keys(()))


def claims_page() -> str:
    """Generate the page of the study's claims and how they are judged."""
    from sweep.claims.catalogue import CLAIMS, Claim, Statistic  # takes a second, and other commands need no statistics

    def claimed(of: Statistic) -> str:
        return condition(of.side, of.threshold, of.centre)

    def table(claim: Claim) -> str:
        return _table(
            ("statistic", "threshold", "why that threshold"),
            ((of.description.format(size="each size"), claimed(of), of.reason) for of in claim.statistics.values()),
        )

    def replaced(claim: Claim) -> str:
        if not claim.replaced:
            return ""
        return "\nBefore:\n\n" + _table(
            ("statistic", "threshold", "why it was replaced"),
            ((of.statistic.description, claimed(of.statistic), of.because) for of in claim.replaced.values()),
        )

    claims = (f"### {claim.number}. {claim.statement}\n\n{table(claim)}{replaced(claim)}" for claim in CLAIMS)
    return _template("claims").format(n_claims=len(CLAIMS), claims="\n".join(claims))


def scorecard_page() -> str:
    """Generate the page of what the published sweeps say about every claim."""
    from sweep.claims.catalogue import CLAIMS
    from sweep.claims.scorecard import claims_rows, replaced_rows, tally, verdicts_that_windows_change

    published, lines = {}, []
    for folder, (title, reinforced) in PUBLISHED.items():
        path = SCRIPTS.parent / "docs" / "sweeps" / folder / "summary" / "claims.parquet"
        if path.exists():
            claims = published[title] = read_table(path, SUMMARY["claims"]).to_pandas()
            link = f"[{title}](sweeps/{folder}/summary/claims.csv)"
            lines.append(f"- {link}: {reinforced}, {claims['n'].max()} models; {tally(claims)}.\n")
    changed = list(verdicts_that_windows_change(published))
    return _template("scorecard").format(
        n_claims=len(CLAIMS),
        sweeps="".join(lines),
        claims=_table(("", "the study says", *published), claims_rows(published)),
        replaced=_table(("claim", "statistic", *published, "why"), replaced_rows(published)),
        windows=_table(("claim", "statistic", "sweep", "over models alone", "over models and windows"), changed)
        if changed
        else "None.\n",
    )


def tables_page() -> str:
    """Generate the page of all columns of all tables."""
    places: dict[Schema, list[str]] = defaultdict(list)  # pretrained models and policies share some schemas
    for stage in STAGES:
        for name, schema in stage.tables.items():
            places[schema].append(stage.path(name, "").removeprefix("/"))
    keys = {name: SUMMARY["policies"].columns[name] for name in POLICY}
    tables = (_described(schema, paths) for schema, paths in places.items())
    return _template("tables").format(keys=_columns(keys), tables="\n".join(tables).rstrip())


PAGES = {
    "configuration": configuration_page,
    "claims": claims_page,
    "scorecard": scorecard_page,
    "tables": tables_page,
}


def _template(page: str) -> str:
    return Path(__file__).with_name(f"{page}.md").read_text(encoding="utf-8")


def _described(schema: Schema, paths: Sequence[str]) -> str:
    """Generate the section on one table."""
    where = " and ".join(f"`{path}`" for path in paths)
    return f"### {schema.name}\n\n{schema.rows[0].upper()}{schema.rows[1:]}.\n\n{where}\n\n{_columns(schema.columns)}"


def _columns(columns: Mapping[str, Column]) -> str:
    """Describe the columns, one per line."""
    return _table(
        ("column", "type", "meaning", "unit", "range", "method"),
        (
            (f"`{name}`", _type(column), column.meaning, column.unit, column.range, _section(column.section))
            for name, column in columns.items()
        ),
    )


def _type(column: Column) -> str:
    return f"list of {column.type.value_type}" if pa.types.is_list(column.type) else str(column.type)


def _section(number: str) -> str:
    """Link to a section of the method, if one is given."""
    return f"[§{number}](method.md#{_anchors()[number.partition('.')[0]]})" if number else ""


@cache
def _anchors() -> dict[str, str]:
    """Map the numbers of the method's sections to their anchors."""
    titles = re.findall(
        r"^## ((\d+)\. .+)", (SCRIPTS.parent / "docs/method.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {number: re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title, number in titles}


def _keys(section: Key) -> Iterator[tuple[str, str, str, str]]:
    schema = schema_of(section)
    names = list(schema.get("properties", {})) + (["NAME"] if schema.get("additionalProperties") else [])
    for name in names:
        key = (*section, name)
        entry = schema_of(key)
        if name != "NAME":
            yield f"`{dotted(key)}`", entry["description"], expected(key), _default(entry)
        if "NAME" not in section or name == "NAME":  # overridden keys are listed in their general section
            yield from _keys(key)


def _default(entry: dict[str, Any]) -> str:
    return f"`{json.dumps(entry['default']).replace(chr(34), '')}`" if "default" in entry else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    first, *others = (f"| {' | '.join(map(_cell, line))} |\n" for line in (header, *rows))
    return "".join([first, f"|{'---|' * len(header)}\n", *others])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").strip()
