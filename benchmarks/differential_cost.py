"""Time the differential measures against a policy's width and depth (`make bench-differential`).

Measures the processor time per window of the two parts of `network_differentials`: the Jacobians of every block, by
automatic differentiation, and their Op and Imp, by matrix decompositions. For the second part it also times the
formulas alone, without the check for singular matrices. Windows and policies are random, since their values do not
affect the time; MLPs have four times as many hidden units as the stream is wide. Each value is the least of several
rounds. Writes docs/performance/differential_cost.csv, and prints `exponents` and `shares` of it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.optimize import nnls
from scipy.stats import linregress, t

from splithistory.differential import (
    measure_differential,
    square_differential_impact,
    square_differential_optimization,
)
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from splithistory.network_differential import double_precision, network_jacobians
from splithistory.sequence import N_TOKENS

TABLE = Path(__file__).parents[1] / "docs" / "performance" / "differential_cost.csv"
WIDTHS, DEPTH_OF_WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512), 2
DEPTHS, WIDTH_OF_DEPTHS = (1, 2, 3, 4, 6, 8), 64
WIDE, DEEP = 64, 2  # exponents are fitted from here on; below, the overhead of calls matters
N_ROUNDS, LEAST_MILLISECONDS = 3, 100  # rounds over all shapes, and least time per part and round
PARTS = ("jacobians", "measures", "formulas")


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Return the processor milliseconds of a call, the least of several, and what it returns."""
    milliseconds: list[float] = []
    while sum(milliseconds) < LEAST_MILLISECONDS:
        started = time.process_time()
        result = run()
        milliseconds.append(1000 * (time.process_time() - started))
    return min(milliseconds), result


def cost(d_model: int, n_layers: int) -> dict[str, float]:
    """Time the parts at one shape: a row of the table."""
    policy = double_precision(initial_policy(Architecture(d_model, n_layers, 4, 4 * d_model, 20), seed=0))
    window = torch.randint(0, N_TOKENS, (1, 20), generator=torch.Generator().manual_seed(0))
    of_jacobians, blocks = timed(lambda: list(network_jacobians(policy, window)))
    pairs = [
        (jacobians.varying, fixed)
        for futures in blocks
        for jacobians in futures.values()
        for fixed in jacobians.fixed.values()
    ]
    of_measures, _ = timed(lambda: [measure_differential(*pair) for pair in pairs])
    of_formulas, _ = timed(
        lambda: [(square_differential_optimization(*pair), square_differential_impact(*pair)) for pair in pairs]
    )
    of_parts = dict(zip(PARTS, (of_jacobians, of_measures, of_formulas), strict=True))
    return {"d_model": d_model, "n_layers": n_layers} | {f"{part}_ms": least for part, least in of_parts.items()}


def exponents(table: pd.DataFrame) -> Iterator[dict[str, float | str]]:
    """Fit the exponent of each part in width and in depth: the slope between logarithms, with its 95 % interval.

    Args:
        table: as `docs/performance/differential_cost.csv`.

    Yields:
        ``of`` (width or depth), ``part``, ``exponent``, ``low``, ``high``, ``n``.
    """
    wide, deep = series(table)
    for name, rows in (("width", wide[wide["size"] >= WIDE]), ("depth", deep[deep["size"] >= DEEP])):
        for part in PARTS:
            line = linregress(np.log(rows["size"]), np.log(rows[f"{part}_ms"]))
            half = t.ppf(0.975, len(rows) - 2) * line.stderr
            ends = {"exponent": line.slope, "low": line.slope - half, "high": line.slope + half}
            yield {"of": name, "part": part, **ends, "n": len(rows)}


def shares(table: pd.DataFrame, size: int) -> Iterator[dict[str, float | str]]:
    """Split the time at one width into powers of the width, by a polynomial without negative coefficients.

    Args:
        table: as for `exponents`; the polynomial minimizes the squares of relative errors.
        size: the width.

    Yields:
        ``part``, and the share of the powers 0 to 3 as ``power_0`` to ``power_3``.
    """
    wide, _ = series(table)
    powers = np.arange(4)
    for part in PARTS:
        milliseconds = wide[f"{part}_ms"].to_numpy()
        terms = wide["size"].to_numpy(float)[:, None] ** powers  # (n, 4)
        factors, _ = nnls(terms / milliseconds[:, None], np.ones(len(wide)))
        at_size = factors * float(size) ** powers
        yield {"part": part} | {f"power_{power}": at_size[power] / at_size.sum() for power in powers}


def series(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Select the rows in which the width varies, and those in which the depth varies, as ``size``."""
    wide = table[table["n_layers"] == DEPTH_OF_WIDTHS]
    deep = table[table["d_model"] == WIDTH_OF_DEPTHS]
    return wide.assign(size=wide["d_model"]), deep.sort_values("n_layers").assign(size=deep["n_layers"])


def main() -> None:
    torch.set_num_threads(1)
    shapes = [(width, DEPTH_OF_WIDTHS) for width in WIDTHS] + [(WIDTH_OF_DEPTHS, depth) for depth in DEPTHS]
    cost(*shapes[0])  # the very first calls take longer
    rounds = [cost(*shape) for _ in range(N_ROUNDS) for shape in dict.fromkeys(shapes)]
    table = pd.DataFrame(rounds).groupby(["d_model", "n_layers"], as_index=False).min().round(2)
    table.to_csv(TABLE, index=False)
    print(table.to_string(index=False))
    print(pd.DataFrame(exponents(table)).to_string(index=False, float_format="{:.2f}".format))
    for width in (128, 512):
        print(f"width {width}:")
        print(pd.DataFrame(shares(table, width)).to_string(index=False, float_format="{:.2f}".format))
    print(f"{time.process_time():.0f} processor seconds in all")


if __name__ == "__main__":
    main()
