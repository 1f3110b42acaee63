import tomllib

from sayings import ROOT, benchmark
from splithistory.identification import MOST_RANKED_OUTCOMES


def limits():
    yield f"which works for at most {MOST_RANKED_OUTCOMES}:"
    of = benchmark("windows")
    yield f"memory for {of.N_ACTIONS:,} actions, {of.N_OUTCOMES} outcomes and {of.N_WINDOWS:,} windows"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield f"with Python {project['requires-python'].removeprefix('>=')} or later"
