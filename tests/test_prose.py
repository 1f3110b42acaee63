"""Every numeral in the prose of README.md and docs/ comes from a table, the configuration or the code, or is excepted.

A numeral is checked if it stands

- in a passage that `sayings/` makes from what it tells of, which has to stand on the page word for word;
- with three decimals or more, in what a code block of the same page prints, which another test compares (`PRINTED`):
  0.940, not 0.5 nor 0.001, which stand there for many reasons;
- in an expression of `EXCEPTIONS`, each with its reason.

To cover a page, write ``sayings/NAME.py`` (for ``docs/NAME.md``; ``readme.py`` for the README) with generator functions
such as ::

    def what_came_out():
        policies = read("sweeps/study/summary/policies.parquet")
        yield f"in {policies['success_rate'].min():.3f} to {policies['success_rate'].max():.3f} of windows"

and delete the page's name from `NOT_YET`; meanwhile its passages are compared, and other numerals are let through. The
passage should hold the words that give the number its meaning: only that tells apart one 0.94 from another. A numeral
that its words have besides should be what the number was looked up by. Of a page that `make reference` generates, which
other tests compare as a whole, the numerals of its template are checked.

What this cannot catch: numbers in words ("two", "half", "a third"), in superscripts and in code, inline or in blocks;
a sign; a passage that is computed and whose words are wrong; a number of `EXCEPTIONS` in a sentence that it does not
fit; a number that was wrong already in the table that it comes from.
"""

import ast
import re
from functools import cache

import pytest

from sayings import CONFIG, DOCS, ROOT, sayings_of
from splithistory.environment import MODULUS
from splithistory.sequence import N_OUTCOMES, N_TOKENS
from sweep.commands import reference

PAGES = ["README", *sorted(path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md"))]

# Pages whose numerals may yet be unchecked. To be emptied.
NOT_YET = []
COVERED = [page for page in PAGES if page not in NOT_YET]

# Pages whose blocks of text are compared with what their code prints.
PRINTED = ["experiments", "goal-directedness", "gymnasium", "tutorial", "worked-examples", "your-own-policy"]

NUMERAL = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)*(?:e[-−]?\d+)?")
NO_PROSE = {
    "code": r"`[^`]+`",
    "the target of a link": r"\]\([^)]+\)|https?://\S+",
    "the number of a section or statement": r"(?<=## )\d+\. |\*\*\d+\.\d+ (?=[A-Z])|(?<=\| )\d+\.\d+ \| (?=`test_)",
    "the name of a size": rf"\b(?:{'|'.join(CONFIG['sizes'])})\b",
}
UNITS = (
    r"(?:%|(?:of|in|out|nats?|[µkm]?s|seconds?|min|minutes?|hours?|days?|[kMG]B|times|polic\w+|models?|seeds?|cores?|"
    r"jobs?|windows?|steps?|runs?)\b|\d)"
)
EXCEPTIONS = {
    "references; test_method.py looks for the sections, and for each claim once": (
        r"§\d+(?:\.\d+)?|\b[Ss]ections? \d+(?:\.\d+|(?:(?:, | and | to )\d+)*)|\b[Cc]laims? \d+(?:(?:, | and )\d+)*|"
        r"\[(?:method, )?\d+(?:\.\d+)?(?=\]\()"
    ),
    "versions, and the processor that was measured on": (
        r"\b(?:torch|Python|Snakemake|Slurm|pydantic|msgspec|Plotly|Vega) \(?\d+(?:\.\d+)+(?! ?%)|"
        r"\bAVX-512\b|\bx86-64\b"
    ),
    "dates of publications": r"\b8 April 2024|(?:\b[A-Z]\w+|[\")]),? (?:19|20)\d\d\b",
    "the year that clocks count from": r"\(seconds since 1970\)",
    "what the study itself says": (
        r"\b16 example runs|\bthe outcome 2 succeeds and 3 fails|\bonly 2 and 3\b|\b85 to 15\b|"
        r"\ba 13 is more commonly followed by a 2 than a 15 is\b"
    ),
    "sets of outcomes, which are names; what is measured of one is a number beside it": r"\{\d(?:, \d)*\}",
    "constants of the sequence: eight outcomes, sixteen tokens, residues modulo 17": (
        rf"\bln (?:{N_OUTCOMES}|{N_TOKENS}|2)\b|(?<=/)(?:{N_OUTCOMES}|{N_TOKENS})(?!\w|\.\d)|"
        rf"\b0 to (?:{N_OUTCOMES - 1}|{N_TOKENS - 1})\b|\b1 to {N_TOKENS}\b|\b{N_OUTCOMES} to {N_TOKENS - 1}\b|"
        rf"\bmodulo (?:{N_OUTCOMES}|{N_TOKENS}|{MODULUS})\b|\b{N_TOKENS} (?:tokens|answers|actions|residues|logits)\b"
    ),
    "0 and 1, where no unit follows: the ends of a probability, utility or temperature, false and true": (
        rf"(?<![\w.,])[01](?!\w|[.,]\d|[ -]?{UNITS})"
    ),
    "one digit in a formula, which tests of the formula hold": (
        r"(?<=[−+=<>≤≥×·/^])\s?\d(?!\w|[.,]\d|\s?%)|(?<![\w.,])\d(?=\s?[−+=<>≤≥×·/^ᴷ]|N\b|r\b| tr\b)"
    ),
    "the level of every interval": r"\b95 %",
}
NOT_CHECKED = [*NO_PROSE.values(), *EXCEPTIONS.values()]


def text_of(page):
    """A page; of one that `make reference` generates, what it is made from, as other tests compare the page itself."""
    if page in reference.PAGES:
        return reference.HEAD if page == "configuration" else reference._template(page)
    path = ROOT / "README.md" if page == "README" else DOCS / f"{page}.md"
    return path.read_text(encoding="utf-8")


def prose_of(page):
    """What a page says, without its blocks of code, in one line."""
    return " ".join(re.sub(r"^(\s*)```.*?^\s*```$", " ", text_of(page), flags=re.DOTALL | re.MULTILINE).split())


def printed_on(page):
    """Numbers of three decimals or more that a page's code prints and a test compares, but 0.001 and the like."""
    blocks = re.findall(r"```text\n(.*?)```", text_of(page), re.DOTALL) if page in PRINTED else []
    return set(re.findall(r"(?<![\w.])(?!0\.00+\d\b)\d+\.\d{3,}(?!\d)", " ".join(blocks)))


@cache
def expression_of(passage):
    """Matches a passage, but not where it begins or ends within a numeral."""
    return re.compile(rf"(?<![\d.,]){re.escape(passage)}(?!\d|[.,]\d)")


def of_each(pages):
    """One process has all tests of a page, whose passages take some seconds to make."""
    return pytest.mark.parametrize("page", [pytest.param(page, marks=pytest.mark.xdist_group(page)) for page in pages])


def missing(prose, passages):
    return [passage for passage in passages if not expression_of(passage).search(prose)]


def unchecked(prose, passages, printed=()):
    """The numerals that nothing checks, as matches."""
    expressions = [*map(expression_of, passages), *map(re.compile, NOT_CHECKED)]
    checked = [found.span() for expression in expressions for found in expression.finditer(prose)]
    return [
        found
        for found in NUMERAL.finditer(prose)
        if found[0] not in printed and not any(start <= found.start() and found.end() <= end for start, end in checked)
    ]


@of_each(PAGES)
def test_a_page_says_what_tables_and_code_do(page):
    lacking = missing(prose_of(page), sayings_of(page))
    assert not lacking, "\n".join(["The page does not say:", *lacking])


@of_each(COVERED)
def test_every_numeral_of_a_page_is_checked(page):
    prose = prose_of(page)
    left = unchecked(prose, sayings_of(page), printed_on(page))
    shown = [f"{prose[max(0, it.start() - 40) : it.start()]}»{it[0]}«{prose[it.end() :][:40]}" for it in left]
    assert not shown, "\n".join(["Nothing checks:", *shown])


@of_each(COVERED)
def test_a_numeral_that_is_changed_is_found(page):
    """Each that a passage checks, with another last digit: unchecked now, or a passage is gone from the page."""
    prose, passages, printed = prose_of(page), sayings_of(page), printed_on(page)
    for numeral in unchecked(prose, ()):
        at = numeral.end() - 1
        changed = f"{prose[:at]}{(int(prose[at]) + 1) % 10}{prose[at + 1 :]}"
        start = max(0, at - 500)
        around = changed[start : at + 500]
        left = unchecked(around, [passage for passage in passages if passage in around], printed)
        found = any(it.start() <= at - start < it.end() for it in left)
        assert found or missing(changed, passages), prose[max(0, at - 50) : at + 50]


ADDED = "It takes 47 minutes. | True of 3 of 5 policies. | Op is 0.67. | It gains 5 %. | In 1 of 8 cases. | 7 and 0.2"


@pytest.mark.parametrize("sentence", ADDED.split(" | "))
def test_a_numeral_that_is_added_is_found(sentence):
    for page in COVERED:
        left = unchecked(sentence, sayings_of(page), printed_on(page))
        assert [it[0] for it in left] == NUMERAL.findall(sentence)


def test_no_passage_is_written_out():
    """It would check nothing: each that has a numeral has a field as well."""
    for path in (ROOT / "tests" / "sayings").glob("*.py"):
        yielded = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Yield)]
        written = [node.value for node in yielded if isinstance(node, ast.Constant)]
        assert [text for text in written if unchecked(text, ())] == [], path.name


def test_every_list_of_this_file_is_of_use():
    assert set(NOT_YET) | set(PRINTED) <= set(PAGES)
    modules = {path.stem for path in (ROOT / "tests" / "sayings").glob("[a-z]*.py")}
    assert modules <= {page.replace("-", "_").replace("/", "_").lower() for page in PAGES}
    prose = " ".join(map(prose_of, PAGES))
    assert [reason for reason, expression in EXCEPTIONS.items() if not re.search(expression, prose)] == []
