import re

import numpy as np

from sayings import CONFIG, DOCS, read
from splithistory.environment import MEMORY
from sweep import summary


def what_follows_each_answer():
    of = CONFIG["measure"]
    yield f"over {of['n_repeats']} × {of['n_contexts_exact']:,} test windows"
    (fresh,) = re.findall(r"= futures_by_answer\((\d+_\d+)\)", (DOCS / "worked-examples.md").read_text())
    yield f"the same from {int(fresh):,} fresh windows"
    yield f"not given to, {int(fresh):,} of them"
    actions = read("sweeps/paper/summary/actions.parquet")
    rows = actions.loc[actions.groupby("action")["weight"].idxmax()].set_index("action")["outcome_distribution"]
    outcome, more, less = 2, 15, 13  # of the study's example
    assert rows[more][outcome] > rows[less][outcome]
    yield f"a {outcome} is more frequent after a {more} than after a {less}"
    yield f"only noise puts a {outcome} after either"
    yield f"products that share {MEMORY - 1} of their {MEMORY} factors"


def in_the_ratio_of_85_to_15():
    s, p, ln = 0.85, 0.75, np.log
    good, bad = s * ln(s / p), (1 - s) * ln((1 - s) / (1 - p))
    entropy = -s * ln(s) - (1 - s) * ln(1 - s)
    assert f"{good + bad:.4f}" == "0.0298"  # as the output above says
    yield f"By hand: {s} ln({s}/{p}) + {1 - s:.2f} ln({1 - s:.2f}/{1 - p}) = {good:.4f} − {-bad:.4f} = {good + bad:.4f}"
    yield f"ln 8 − H = {ln(8):.4f} − {entropy:.4f} = {ln(8) - entropy:.4f}"
    yield f"{s} ln 6 among the successes, {1 - s:.2f} ln 2 among the failures"
    good, bad = 2, 3
    assert good in CONFIG["tasks"]["good6"]["good"]
    assert bad not in CONFIG["tasks"]["good6"]["good"]
    yield f"Six of eight outcomes are good, {good} among them and {bad} not"


def reasons_in_tables():
    yield f'"{summary._INFINITE}"'
