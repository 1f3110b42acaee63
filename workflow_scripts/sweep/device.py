"""The device a job computes on."""

import torch

from sweep.errors import UserError


def select_device(name: str) -> torch.device:
    """The configured device, on one thread of the processor.

    Many small jobs side by side beat one job on many threads, and one thread gives the same result
    whatever else runs.

    Args:
        name: ``cpu``, ``cuda`` or ``auto`` (cuda where there is one).

    Raises:
        UserError: if ``cuda`` is asked for and there is none.
    """
    torch.set_num_threads(1)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("device: 'cuda' is configured but torch sees no CUDA device; set device to cpu or auto")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")
