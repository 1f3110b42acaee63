"""What a training step asks of a device, by size (`make bench-device`; docs/devices.md rests on it).

Counts, on a CPU, the operations that a GPU would start a kernel for and the floating-point operations of matrix
products in them; and the memory of what a step keeps for its gradients. Writes these to docs/performance/device.csv,
and prints them with the milliseconds that a step takes.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from splithistory.environment import environment_of
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from splithistory.optimizer import Schedule
from splithistory.pretraining import pretrain
from splithistory.reinforcement import FinetuneSettings, Reward, finetune
from splithistory.sequence import N_OUTCOMES, Chains
from splithistory.training_state import Observer
from sweep.stages import architecture_settings, finetune_settings, pretrain_settings

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())
ENVIRONMENT = environment_of(CONFIG["sequence"])
TABLE = Path(__file__).parents[1] / "docs" / "performance" / "device.csv"
N_STEPS = 30  # timed in their second half, then one more is counted
ALLOCATIONS = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")


class Kernels(TorchDispatchMode):
    """Counts operations, also those of backward passes, but views and allocations, which start no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        self.n += not (function.is_view or name in ALLOCATIONS or name in ("_unsafe_view", "detach"))
        return function(*args, **(kwargs or {}))


@dataclass
class Probe(Observer):
    """Follows a training: times some steps, then looks into the last."""

    seconds: float = 0.0  # a step
    n_kernels: int = 0  # a step
    flop: int = 0  # a step
    kept: dict[int, torch.UntypedStorage] = field(default_factory=dict)  # what the step's graphs keep, by address

    def steps(self, steps: range) -> Iterator[int]:
        half = len(steps) // 2
        yield from steps[:half]
        started = time.perf_counter()
        yield from steps[half:-2]
        self.seconds = (time.perf_counter() - started) / (len(steps) - 2 - half)
        flop, kernels = FlopCounterMode(display=False), Kernels()
        with saved_tensors_hooks(self.note, lambda tensor: tensor), flop, kernels:
            yield steps[-2]
        self.n_kernels, self.flop = kernels.n, flop.get_total_flops()
        yield steps[-1]  # which an evaluation follows

    def note(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        self.kept[storage.data_ptr()] = storage  # held, so that no other takes its address
        return tensor

    @property
    def megabytes(self) -> int:
        """What the step keeps for its gradients."""
        return round(sum(storage.nbytes() for storage in self.kept.values()) / 1e6)


def probe(training: Callable[..., Any]) -> Probe:
    """What a step of a training takes."""
    probe = Probe()
    training(observer=probe)
    return probe


def trainings(size: str, chains: Chains) -> dict[str, Callable[..., Any]]:
    """Pretraining and reinforcement of a size, evaluated on a few windows only."""
    shape = Architecture(**architecture_settings(CONFIG, size))
    short = {"n_steps": N_STEPS, "evaluation_interval": N_STEPS + 1}
    reinforcing = FinetuneSettings.from_mapping(finetune_settings(CONFIG, size, "good4") | short)
    pretraining = Schedule(**pretrain_settings(CONFIG, size) | short)
    policy = initial_policy(shape, 0, reinforcing.dropout)
    reward = Reward(ENVIRONMENT, np.arange(N_OUTCOMES) % 2 == 0)
    return {
        "pretrain": partial(pretrain, shape, pretraining, chains=chains, seed=0),
        "finetune": partial(finetune, policy, reinforcing, reward=reward, chains=chains, seed=0),
    }


def main() -> None:
    torch.set_num_threads(1)
    train = ENVIRONMENT.generate_chains(2000, CONFIG["sequence"]["chain_length"], np.random.default_rng(0))
    chains = Chains(train, train[:10])
    rows = []
    for size in CONFIG["sweep"]["sizes"]:
        for name, training in trainings(size, chains).items():
            took = probe(training)
            counted = (took.n_kernels, round(took.flop / 1e9, 2), took.megabytes)
            rows.append((size, name, *counted, f"{took.seconds * 1e3:.1f}"))
    table = pd.DataFrame(rows, columns=["size", "step", "kernels", "gigaflop", "megabytes", "ms"])
    print(table.to_string(index=False))
    table.drop(columns="ms").to_csv(TABLE, index=False)


if __name__ == "__main__":
    main()
