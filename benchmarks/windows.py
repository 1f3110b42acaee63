"""Measure time and memory of `splithistory.measure` with 1,000 actions, 500 outcomes and 20,000 windows.

Run by `make bench-windows`. All probabilities of the environment together would take 80 GB. Prints one row per case,
each run in its own process: processor seconds, the part of them that the environment takes to answer, and peak memory.
In the first case the environment is the same in every window, (A, K). In the others it differs between windows and
returns (n, A, K) batch by batch, for a deterministic policy, and for a stochastic one whose distributions all differ.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

import splithistory
from splithistory.information import Floats

ROOT = Path(__file__).parents[1]
N_ACTIONS, N_OUTCOMES, N_WINDOWS = 1_000, 500, 20_000
CASES = ("same in every window", "differs, deterministic policy", "differs, stochastic policy")


class ShiftedOutcomes:
    """An environment in which window x shifts all outcomes by x; it measures its own time."""

    def __init__(self) -> None:
        probabilities = np.random.default_rng(0).dirichlet(np.ones(N_OUTCOMES), size=N_ACTIONS)
        self.unmoved = probabilities
        self._twice = np.concatenate([probabilities, probabilities], axis=1)
        self.seconds = 0.0

    def __call__(self, windows: np.ndarray) -> Floats:
        started = time.process_time()
        shifts = windows % N_OUTCOMES
        answer = np.stack([self._twice[:, shift : shift + N_OUTCOMES] for shift in shifts])
        self.seconds += time.process_time() - started
        return answer


def actions(windows: np.ndarray) -> np.ndarray:
    return windows * 7919 % N_ACTIONS


def stochastic(windows: np.ndarray) -> Floats:
    return np.stack([np.random.default_rng(x).dirichlet(np.ones(N_ACTIONS)) for x in windows])


def measure(case: str) -> dict[str, float | str]:
    environment = ShiftedOutcomes()
    policy = actions if "deterministic" in case else stochastic
    started = time.process_time()
    futures = splithistory.measure(policy, environment.unmoved if "same" in case else environment, np.arange(N_WINDOWS))
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "environment": case,
        "seconds": round(seconds, 1),
        "seconds_environment": round(environment.seconds, 1),
        "peak_mb": round(peak),
        "op": futures.op,
        "imp": futures.imp,
    }


def main() -> None:
    if len(sys.argv) > 1:
        row = measure(sys.argv[1])
        print(*row.values(), sep="\t")
        return
    rows = []
    for case in CASES:
        result = subprocess.run([sys.executable, __file__, case], check=True, capture_output=True, text=True)
        environment, *figures = result.stdout.strip().split("\t")
        names = ("environment", "seconds", "seconds_environment", "peak_mb", "op", "imp")
        rows.append(dict(zip(names, [environment, *map(float, figures)], strict=True)))
        print(rows[-1], flush=True)
    table = ROOT / "results" / "windows.csv"
    table.parent.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(table, index=False)


if __name__ == "__main__":
    main()
