"""The packages that Snakemake and the jobs need. This module imports none of them, since they may be missing."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

# The modules that the Snakefile imports, and those that only jobs import.
PLANNING = ("grimp", "jsonschema", "numpy", "psutil", "pyarrow", "yaml")
RUNNING = ("PIL", "jinja2", "matplotlib", "pandas", "pandera", "rich", "scipy", "torch", "tqdm")


def prefer_own_packages() -> list[str]:
    """Move the folders of PYTHONPATH to the end of `sys.path`, since they may be meant for another Python.

    Jobs ignore PYTHONPATH altogether.

    Returns:
        The other folders in which this Python looks for packages.
    """
    foreign = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    own = [path for path in sys.path if os.path.abspath(path) not in foreign]
    sys.path[:] = own + [path for path in sys.path if path not in own]
    return own


def lacking_packages(requirements: Path, with_jobs: bool) -> str | None:
    """Name the missing packages and say how to install them; None if none is missing.

    Args:
        requirements: file that lists all packages, for pip.
        with_jobs: whether jobs run in this Python too, instead of their own environments.
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
