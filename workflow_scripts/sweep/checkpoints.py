"""Checkpoints: a policy's parameters as a Parquet table, one row per tensor. Reading one executes nothing."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splithistory.fast_model import FastPolicy
from splithistory.model import Architecture, Policy
from sweep.errors import REMEDY, TableError
from sweep.provenance import metadata_of
from sweep.schemas.checkpoint import CHECKPOINT
from sweep.tables import read_table, write_table


def save_checkpoint(policy: Policy, path: Path | str, provenance: Mapping[str, Any], **more: Any) -> None:
    """Write a policy's parameters, whole or not at all.

    Args:
        policy: policy with float32 parameters, on any device.
        path: the Parquet file.
        provenance: see `provenance.provenance`.
        more: further metadata, such as the seed and the training settings.
    """
    rows = [
        {
            "name": name,
            "shape": np.array(tensor.shape, dtype=np.int64),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "values": tensor.detach().cpu().numpy().ravel(),
        }
        for name, tensor in policy.state_dict().items()
    ]
    metadata = {
        **provenance,
        "architecture": asdict(policy.architecture),
        "n_parameters": policy.architecture.n_parameters,
        **more,
    }
    write_table(rows, CHECKPOINT, path, provenance=metadata)


def load_checkpoint(path: Path | str, dropout: float = 0.0) -> tuple[FastPolicy, dict[str, Any]]:
    """Rebuild a policy from its checkpoint, bit for bit.

    Args:
        path: the Parquet file.
        dropout: dropout rate in training, in [0, 1).

    Returns:
        The policy, in evaluation mode, and the file's metadata.

    Raises:
        TableError: if the file is missing, truncated or not a checkpoint, or its tensors do not fit its architecture.
    """
    table = read_table(path, CHECKPOINT)
    metadata = metadata_of(table.schema, path)
    try:
        policy = FastPolicy(Architecture(**metadata["architecture"]), dropout)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TableError(f"{path}: its metadata describes no architecture ({error}). {REMEDY}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in policy.state_dict().items()}
    rows = table.to_pylist()
    shapes = {row["name"]: tuple(row["shape"]) for row in rows}
    problems = [
        f"tensor {name}: expected shape {expected.get(name, 'none')}, got {shapes.get(name, 'none')}"
        for name in sorted(expected.keys() | shapes.keys())
        if expected.get(name) != shapes.get(name)
    ] + [
        f"tensor {row['name']}: expected {np.prod(row['shape'], dtype=int)} finite values, "
        f"got {np.isfinite(row['values']).sum()} finite ones of {len(row['values'])}"
        for row in rows
        if np.isfinite(row["values"]).sum() != np.prod(row["shape"], dtype=int)
        or len(row["values"]) != np.prod(row["shape"], dtype=int)
    ]
    problems += [
        f"tensor {name}: occurs {n} times" for name, n in Counter(row["name"] for row in rows).items() if n > 1
    ]
    if problems:
        raise TableError(f"{path}: does not hold the parameters of its architecture. {REMEDY}", problems)
    tensors = {row["name"]: torch.tensor(row["values"], dtype=torch.float32).reshape(row["shape"]) for row in rows}
    policy.load_state_dict(tensors)
    return policy.eval(), metadata
