"""Independent random streams from one seed, one for each purpose."""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """Purposes of random streams. Results depend on these numbers, so they must not change."""

    PRETRAINING = 0
    REINFORCEMENT = 1
    TEST_WINDOWS = 2
    TEST_OUTCOMES = 3
    MEASURED_OUTCOMES = 4
    BOOTSTRAP = 5
    ROLLOUTS = 6


SPLITS = ("train", "validation", "test")


def split_rng(seed: int, split: str) -> np.random.Generator:
    """Return the NumPy generator for the chains of a split, one of `SPLITS`."""
    return np.random.default_rng(np.random.SeedSequence(seed).spawn(len(SPLITS))[SPLITS.index(split)])


def stream_rng(seed: int, stream: Stream) -> np.random.Generator:
    """Return the NumPy generator for one stream of a seed."""
    return np.random.default_rng([seed, stream])
