"""The project's files that a script depends on, according to the import graph, and the version of that code."""

import ast
import hashlib
from functools import cache
from pathlib import Path

import grimp

PACKAGES = ("splithistory", "sweep")
SCRIPTS = Path(__file__).parents[1]


@cache
def local_modules(folder: Path, script: str) -> list[Path]:
    """List the script and every module of the project that it imports, directly or indirectly.

    Args:
        folder: holds the scripts and the packages; must be importable (on `sys.path`).
        script: file name of a script in ``folder``.

    Returns:
        Paths in alphabetical order, the script first.
    """
    graph = _import_graph()
    tree = ast.parse((folder / script).read_text(encoding="utf-8"))
    direct: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            direct |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            direct |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    direct &= graph.modules
    modules = direct.union(*(graph.find_upstream_modules(module) for module in direct))
    # Importing a module runs the packages around it.
    modules |= {module.rpartition(".")[0] for module in modules} & graph.modules
    return [folder / script, *sorted(_path_of(folder, module) for module in modules)]


@cache
def code_version(folder: Path, script: str) -> str:
    """Return a short name for the code that a script runs: its modules and other files in their packages' folders.

    Args:
        folder: holds the scripts and the packages.
        script: file name of a script in ``folder``.

    Returns:
        16 hexadecimal digits, which depend on neither the place of the folder nor the times of its files.
    """
    digest = hashlib.sha256()
    for path in [*local_modules(folder, script), *_beside(local_modules(folder, script))]:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _beside(modules: list[Path]) -> list[Path]:
    """List files other than modules in the packages among the modules, such as templates and style sheets."""
    packages = sorted(path.parent for path in modules if path.name == "__init__.py")
    return [
        path for package in packages for path in sorted(package.iterdir()) if path.is_file() and path.suffix != ".py"
    ]


@cache
def _import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def _path_of(folder: Path, module: str) -> Path:
    path = folder.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
