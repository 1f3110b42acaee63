"""What must be installed where Snakemake and the jobs run. Imports nothing else, as it may all be missing."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

# The modules that the Snakefile imports, and those of the jobs besides.
PLANNING = ("grimp", "jsonschema", "numpy", "psutil", "pyarrow", "yaml")
RUNNING = ("PIL", "jinja2", "matplotlib", "pandas", "pandera", "rich", "scipy", "torch", "tqdm")


def prefer_own_packages() -> list[str]:
    """Have packages of PYTHONPATH found last, behind those of this Python: they may be for another one.

    Jobs ignore PYTHONPATH.

    Returns:
        The other places where this Python looks for packages.
    """
    foreign = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    own = [path for path in sys.path if os.path.abspath(path) not in foreign]
    sys.path[:] = own + [path for path in sys.path if path not in own]
    return own


def lacking_packages(requirements: Path, with_jobs: bool) -> str | None:
    """Name what is missing and how to install it; None if nothing is.

    Args:
        requirements: file of all that is needed.
        with_jobs: whether the jobs run in this Python too, and not in environments of their own.
    """
    everything, sys.path[:] = [*sys.path], prefer_own_packages()
    missing = [name for name in PLANNING + RUNNING * with_jobs if find_spec(name) is None]
    sys.path[:] = everything
    if not missing:
        return None
    return (
        f"The Python that runs Snakemake, {sys.executable}, lacks {', '.join(missing)}: install them with "
        f"`{sys.executable} -m pip install -r {requirements}`, or use the Snakemake that `make setup` installs."
    )
