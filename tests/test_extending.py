"""What docs/design.md says one has to touch to add something, done in a clone that then runs the tiny sweep."""

import re

import pandas as pd
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, Workspace

MEASURE = '''
    @property
    def total_variation(self) -> float:
        """Mean total variation distance between F and F'|x'', in [0, 1]."""
        return float(self.weights @ abs(self.counterfactuals - self.outcome_distribution).sum(axis=1) / 2)

'''
FIGURE = '''

@registry.figure("total_variation_vs_op", "policies")
def total_variation_vs_op(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Total variation against Op."""
    figure = Figure()
    figure.subplots().scatter(tables["policies"]["op"], tables["policies"]["total_variation"])
    return CaptionedFigure(figure, "Total variation grows with Op", "A point per policy.")
'''
CLAIM = """    Claim(
        17,
        "Policies move some of the probability",
        {"some_moves": Statistic("mean Op", "{}", lambda e: interval(mean(averages(e.policies["op"]))))},
    ),
]
"""
WAY = '''

@way
def best(answers: Answers) -> Tensor:
    """Reinforce the action that brings the most."""
    best = answers.expected_utility.argmax(dim=1, keepdim=True)
    return -answers.log_probabilities.gather(1, best).mean()
'''
ENVIRONMENT = '''

@environment
@dataclass(frozen=True)
class SlidingSum(Recurrence):
    """A sum of the last 16 tokens in place of their product."""

    terms: ClassVar[Tokens] = np.arange(N_TOKENS, dtype=np.uint8)
'''


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A finished tiny sweep of a clone with one more of each."""
    workspace = Workspace.cloned_to(tmp_path_factory.mktemp("extended"))
    scripts = workspace.folder / "workflow_scripts"

    def edit(path, place, added, before=True):
        text = path.read_text(encoding="utf-8")
        assert text.count(place) == 1, (path, place)
        path.write_text(text.replace(place, added + place if before else place + added), encoding="utf-8")

    def append(path, added):
        path.write_text(path.read_text(encoding="utf-8") + added, encoding="utf-8")

    schema = workspace.folder / "config" / "config.schema.yaml"
    edit(scripts / "splithistory/split_history.py", "    @property\n    def op(self)", MEASURE.lstrip("\n"))
    edit(
        scripts / "sweep/schemas/measure.py",
        '        "imp": nats(',
        '        "total_variation": rate("mean total variation distance between F and F\'"),\n',
    )
    append(scripts / "sweep/figures/optimization.py", FIGURE)
    edit(scripts / "sweep/figures/__init__.py", '    "op_vs_success",\n', '    "total_variation_vs_op",\n')
    catalogue = scripts / "sweep/claims/catalogue.py"
    catalogue.write_text(catalogue.read_text().rstrip().removesuffix("]") + CLAIM)
    append(scripts / "splithistory/successes.py", WAY)
    edit(schema, "enum: [sampled, expected, every", ", best", before=False)
    append(scripts / "splithistory/environment.py", ENVIRONMENT)
    edit(schema, "enum: [recurrence", ", slidingsum", before=False)
    chosen = {"sequence": {"environment": "slidingsum"}, "finetune": {"successes": "best"}}
    run = workspace.snakemake(override=chosen, cores=2)
    assert run.status == 0, run.output
    return workspace


def test_a_measure_is_a_column_of_what_is_measured_and_of_the_policies(extended):
    measured = pd.concat(map(pd.read_parquet, extended.results.glob("finetuned/measured/**/*.parquet")))
    assert measured["total_variation"].between(0, 1).all()
    policies = pd.read_parquet(extended.results / "summary/policies.parquet").set_index(["task", "size"])
    assert {"total_variation", "total_variation_stderr"} <= set(policies)
    exact = measured.query("windows == 'natural' and estimator == 'exact' and counterfactual == 'split_history'")
    assert policies["total_variation"].mean() == pytest.approx(exact["total_variation"].mean())
    described = pq.read_schema(extended.results / "summary/policies.parquet").field("total_variation").metadata
    assert described[b"description"] == b"mean total variation distance between F and F'"
    estimated = pd.concat(map(pd.read_parquet, extended.results.glob("finetuned/self_estimate/**/*.parquet")))
    assert estimated["total_variation"].between(0, 1).all()


def test_a_figure_is_drawn_and_shown(extended):
    assert (extended.results / "figures/total_variation_vs_op.png").exists()
    assert "Total variation grows with Op" in (extended.results / "report.html").read_text(encoding="utf-8")


def test_a_claim_is_judged_and_shown(extended):
    claims = pd.read_parquet(extended.results / "summary/claims.parquet").set_index("claim")
    assert claims.loc[17, "statement"] == "Policies move some of the probability"
    assert "Policies move some of the probability" in (extended.results / "report.html").read_text(encoding="utf-8")


def test_policies_are_reinforced_in_the_way_and_the_environment(extended):
    rows = pd.concat(map(pd.read_parquet, extended.results.glob("sequences/validation.parquet")))
    tokens = next(iter(rows["tokens"]))
    noiseless = sum(tokens[t] % 8 == (3 ** (int(sum(tokens[t - 16 : t])) % 16) % 17) % 8 for t in range(16, 41))
    assert noiseless >= 20  # of 25
    log = (extended.results / "finetuned").rglob("training/**/*.parquet")
    assert all(pd.read_parquet(path)["success_rate"].notna().all() for path in log)


def test_the_page_names_what_was_touched():
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    _, _, table = page.partition("## To add something")
    rows = re.findall(r"^\| (an? [a-z]+).*\|$", table, re.MULTILINE)
    assert {"a measure", "a figure", "a claim", "a way", "an environment"} <= set(rows)
