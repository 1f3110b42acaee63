"""The device that a job runs on."""

import torch

from sweep.errors import UserError


def select_device(name: str) -> torch.device:
    """Return the configured device, and limit torch to one thread of the processor.

    Many small jobs in parallel are faster than one job on many threads, and with one thread the result does not depend
    on what else is running.

    Args:
        name: ``cpu``, ``cuda`` or ``auto`` (cuda if available).

    Raises:
        UserError: if ``cuda`` is requested but not available.
    """
    torch.set_num_threads(1)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UserError("device: 'cuda' is configured but torch sees no CUDA device; set device to cpu or auto")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and available) else "cpu")
