"""Print a page of reference in Markdown, made from the schema of the configuration or the catalogue of claims."""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sweep.configuration.schema import Key, schema_of
from sweep.configuration.wording import dotted, expected
from sweep.formatting import condition

HEAD = """# Every key of the configuration

Made from `config/config.schema.yaml` by `make reference`. What a sweep of your own does not set is as in `config.yaml`.
`NAME` is the name of a size or task. Unknown keys, wrong types and values out of range are refused, all at once, before
anything is run.

"""


def run(arguments: argparse.Namespace) -> int:
    """Print the page that is asked for; returns the exit status."""
    print(PAGES[arguments.page](), end="")
    return 0


def configuration_page() -> str:
    """Every key of the configuration."""
    return HEAD + _table(("key", "what it is", "what it may be", "as shipped"), _keys(()))


def claims_page() -> str:
    """Every claim of the study, and how it is judged."""
    from sweep.claims.catalogue import CLAIMS  # takes a second, and the other commands need no statistics

    template = Path(__file__).with_name("claims.md").read_text(encoding="utf-8")
    claims = (
        f"### {claim.number}. {claim.statement}\n\n"
        + _table(
            ("statistic", "threshold", "why that threshold"),
            ((of.description, condition(of.side, of.threshold), of.reason) for of in claim.statistics.values()),
        )
        for claim in CLAIMS
    )
    return template.format(n_claims=len(CLAIMS), claims="\n".join(claims))


PAGES = {"configuration": configuration_page, "claims": claims_page}


def _keys(section: Key) -> Iterator[tuple[str, str, str, str]]:
    schema = schema_of(section)
    names = list(schema.get("properties", {})) + (["NAME"] if schema.get("additionalProperties") else [])
    for name in names:
        key = (*section, name)
        entry = schema_of(key)
        if name != "NAME":
            yield f"`{dotted(key)}`", entry["description"], expected(key), _default(entry)
        if "NAME" not in section or name == "NAME":  # what a size or task overrides is listed where it is general
            yield from _keys(key)


def _default(entry: dict[str, Any]) -> str:
    return f"`{json.dumps(entry['default']).replace(chr(34), '')}`" if "default" in entry else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    first, *others = (f"| {' | '.join(map(_cell, line))} |\n" for line in (header, *rows))
    return "".join([first, f"|{'---|' * len(header)}\n", *others])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").strip()
