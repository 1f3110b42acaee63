"""The closing lines of a run: what a finished sweep found, and where it is."""

from collections.abc import Collection

import pandas as pd

from sweep.claims.estimators import r_squared_about_identity
from sweep.claims.evidence import MODEL
from sweep.errors import TableError
from sweep.formatting import counted, number
from sweep.layout import summary_table
from sweep.schemas.summary import SUMMARY
from sweep.tables import read_table

_PLACES = {
    "figures": ("figures", "figures"),
    "summarize": ("tables", "summary"),
}  # by rule: name and folder


def closing_lines(results: str, rules: Collection[str]) -> list[str]:
    """Summarize the requested results of a sweep, in five lines if all were requested.

    Args:
        results: folder of the sweep.
        rules: rules of the requested jobs.
    """
    lines = _read_findings(results) if "summarize" in rules else []
    if "report" in rules:
        lines.append(f"Report: {results}/report.html")
    places = [place for rule, place in _PLACES.items() if rule in rules]
    if places:
        names, folders = zip(*places, strict=True)
        lines.append(f"{' and '.join(names).capitalize()}: {', '.join(f'{results}/{folder}' for folder in folders)}")
    return lines or [f"The requested files are in {results}."]


def _read_findings(results: str) -> list[str]:
    try:
        return findings(
            *(
                read_table(summary_table(results, name), SUMMARY[name]).to_pandas()
                for name in ("policies", "identification")
            )
        )
    except TableError as error:
        return [str(error)]


def findings(policies: pd.DataFrame, identification: pd.DataFrame) -> list[str]:
    """Say how many policies Op identifies, how well it is predicted, and which policies are best and worst.

    The best policy gains the largest share of what its task offers beyond chance.

    Args:
        policies: the table of that name.
        identification: the table of that name.
    """
    by_op = identification[identification["measure"] == "op"]
    guessing = len(by_op) / by_op["task"].nunique()
    op, predicted = (policies.set_index([*MODEL])[name] for name in ("op", "op_predicted"))
    r_squared = r_squared_about_identity(op, predicted).value
    gain = (policies["success_rate"] - policies["chance"]) / (policies["utility"].map(max) - policies["chance"])
    return [
        f"Op identifies {by_op['correct'].sum()} of {counted(len(by_op), 'policy', 'policies')} (guessing: "
        f"{guessing:.0f}). R² about y = x: {number(r_squared, '.3f')}",
        f"Best policy: {_described(policies.loc[gain.idxmax()])}",
        f"Worst policy: {_described(policies.loc[gain.idxmin()])}",
    ]


def _described(policy: pd.Series) -> str:
    score = "success" if set(policy["utility"]) <= {0, 1} else "mean utility"
    return (
        f"{policy['size']}, seed {policy['seed']} on {policy['task']}, {score} {policy['success_rate']:.3f} "
        f"(chance: {policy['chance']:.3f})"
    )
