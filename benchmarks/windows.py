"""Time and memory of `splithistory.measure` on 1,000 actions, 500 outcomes and 20,000 windows (`make bench-windows`).

The environment's probabilities would take 80 GB at once. Prints one row per way to give them, each in a process of its
own: processor seconds, those of them that the environment itself takes to answer, and peak memory. The first way is an
environment that is the same in every window, (A, K); in the others it differs, and is asked for (n, A, K) batch by
batch, for a deterministic policy and for a stochastic one with a distribution of its own in every window.
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
    """Window x moves all outcomes by x; keeps count of its own time."""

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
