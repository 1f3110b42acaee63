"""What is installed: the library from its wheel, and the workflow from lists of versions that fit pyproject.toml."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
# The lists in envs/ and the extra that each one is of.
LISTS = {"requirements": "workflow", "development": "dev", "docs": "docs"}
FOR_GPUS = PYPROJECT["tool"]["uv"]["exclude-dependencies"]


def direct_requirements(extra):
    """What the project requires, with an extra and those that it consists of."""
    requirements = [Requirement(text) for text in PROJECT["optional-dependencies"][extra]]
    nested = {name for of in requirements if of.name == PROJECT["name"] for name in of.extras}
    own = [Requirement(text) for text in PROJECT["dependencies"]]
    own += [of for of in requirements if of.name != PROJECT["name"]]
    return own + [of for name in nested for of in direct_requirements(name)]


def locked(text):
    """Versions that a list fixes for this platform and Python, by canonical name."""
    requirements = [Requirement(line) for line in re.sub(r" *#.*", "", text).splitlines() if line]
    applying = [of for of in requirements if of.marker is None or of.marker.evaluate()]
    versions = {canonicalize_name(of.name): re.fullmatch(r"==([\w.]+)", str(of.specifier)) for of in applying}
    assert len(versions) == len(applying)
    return {name: version[1] for name, version in versions.items()}


def problems(text, extra):
    """What keeps a list of versions from being the closure of the direct requirements, as far as this Python knows."""
    versions, found = locked(text), set()
    needed, queue = set(), [(of, PROJECT["name"]) for of in direct_requirements(extra)]
    while queue:
        requirement, by = queue.pop()
        name = canonicalize_name(requirement.name)
        if name not in versions:
            found.add(f"{name}, required by {by}, is missing")
        elif not requirement.specifier.contains(versions[name], prereleases=True):
            found.add(f"{name} {versions[name]} is not {requirement.specifier}, as {by} requires")
        if (name, frozenset(requirement.extras)) in needed or name not in versions:
            continue
        needed.add((name, frozenset(requirement.extras)))
        for further in map(Requirement, metadata.requires(name) or []):
            extras = requirement.extras or {""}
            applies = further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras)
            if applies and further.name not in FOR_GPUS:
                queue.append((further, name))
    unneeded = versions.keys() - {name for name, _ in needed}
    return found | {f"nobody requires {name}" for name in unneeded}


@pytest.mark.parametrize(("name", "extra"), LISTS.items(), ids=LISTS)
def test_a_list_of_versions_is_what_the_project_requires_and_all_that_this_requires(name, extra):
    assert problems((ROOT / "envs" / f"{name}.txt").read_text(), extra) == set()


@pytest.mark.parametrize(
    ("line", "change", "problem"),
    [
        (r"scipy==.+\n", "", "scipy, required by splithistory, is missing"),
        (r"scipy==.+\n", "scipy==1.14.1\n", "scipy 1.14.1 is not >=1.15, as splithistory requires"),
        (r"yte==.+\n", "", "yte, required by snakemake, is missing"),
        (r"mpmath==.+\n", "mpmath==0.1\n", "mpmath 0.1 is not <1.4,>=1.1.0, as sympy requires"),
        (r"\Z", "pytest==9.2.0\n", "nobody requires pytest"),
    ],
)
def test_what_does_not_fit_is_noticed(line, change, problem):
    text = (ROOT / "envs" / "requirements.txt").read_text()
    changed = re.sub(line, change, text, count=1)
    assert changed != text
    assert problem in problems(changed, "workflow")


def test_the_lists_agree_with_each_other_and_with_what_is_installed():
    of = {name: locked((ROOT / "envs" / f"{name}.txt").read_text()) for name in LISTS}
    assert of["requirements"].items() <= of["development"].items()
    assert of["docs"].items() <= of["development"].items()
    # A build of torch is part of its installed version: 2.13.0+cpu.
    installed = {name: metadata.version(name).partition("+")[0] for name in of["development"]}
    assert installed == of["development"]


def test_the_lists_name_no_host_and_no_package_for_gpus():
    for path in (ROOT / "envs").iterdir():
        text = re.sub(r"#.*", "", path.read_text())
        assert not re.search(r"://|^-|@|nvidia|cuda|triton", text, re.MULTILINE), path.name


@pytest.mark.parametrize("name", ["measure", "train"])
def test_the_environments_of_rules_have_the_versions_of_the_list(name):
    versions = locked((ROOT / "envs" / "requirements.txt").read_text())
    names = {"pytorch": "torch"}
    python, *packages = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"]
    assert python == f"python{PROJECT['requires-python']}"
    stated = dict(package.split("=") for package in packages)
    assert stated == {name: versions[names.get(name, name)] for name in stated}


def test_the_plugins_for_clusters_are_those_of_the_project():
    versions = locked((ROOT / "envs" / "cluster.txt").read_text())
    assert [f"{name}=={version}" for name, version in versions.items()] == PYPROJECT["dependency-groups"]["cluster"]


def test_one_version_of_the_project():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == PROJECT["version"]


def run(*command, folder, **variables):
    """A command's output."""
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def empty_environment(folder):
    """A Python with nothing but this one's NumPy and SciPy."""
    venv.create(folder, with_pip=False, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for name in ("numpy", "scipy"):
        files = metadata.files(name)
        for part in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            (packages / part).symlink_to(files[0].locate().parents[len(files[0].parts) - 1] / part)
    return folder / "bin" / "python"


def install(environment, *what):
    """Install with this Python's pip and build backend, and without the network."""
    pip = [sys.executable, "-m", "pip", "--python", environment, "install", "--quiet", "--no-index"]
    backend = {"PYTHONPATH": sysconfig.get_path("purelib")}
    run(*pip, "--no-build-isolation", *what, folder=environment.parent, **backend)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A Python with a wheel of the project, which was made of its source distribution, and with NumPy and SciPy."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, folder=folder)
    assert len(list(folder.glob("*.tar.gz"))) == 1
    environment = empty_environment(folder / "environment")
    install(environment, *folder.glob("*.whl"))
    return environment


USE = """
import sys
import numpy as np
import splithistory

policy = lambda x: np.eye(4)[x]
environment = lambda x: np.eye(4)[(np.arange(4) - x[:, None]) % 4]
futures = splithistory.measure(policy, environment, np.arange(4))
assert np.isclose(futures.op, np.log(4)) and np.isclose(futures.imp, np.log(4))
for name in ("torch", "pandas", "sweep", "snakemake"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise AssertionError(f"{name} is there")
print(splithistory.__version__, splithistory.__file__)
"""


@pytest.mark.xdist_group("wheel")
def test_the_wheel_measures_with_numpy_and_scipy_alone(installed, tmp_path):
    version, path = run(installed, "-I", "-c", USE, folder=tmp_path).split()
    assert version == PROJECT["version"]
    assert path.startswith(str(installed.parents[1]))


def test_an_editable_installation_is_the_clone(tmp_path):
    environment = empty_environment(tmp_path / "environment")
    install(environment, "--editable", ROOT)
    path = run(environment, "-I", "-c", "import splithistory; print(splithistory.__file__)", folder=tmp_path)
    assert path.strip() == str(ROOT / "workflow_scripts" / "splithistory" / "__init__.py")


IMPORT_ALL = """
import pkgutil
from importlib import import_module
import splithistory

for module in pkgutil.walk_packages(splithistory.__path__, "splithistory."):
    try:
        import_module(module.name)
    except ImportError as error:
        print(module.name, error)
"""


@pytest.mark.xdist_group("wheel")
def test_what_needs_an_extra_says_how_to_install_it(installed, tmp_path):
    lines = run(installed, "-I", "-c", IMPORT_ALL, folder=tmp_path).splitlines()
    said = dict(line.split(" ", 1) for line in lines)
    assert {"splithistory.model", "splithistory.network_differential"} <= said.keys()
    assert not said.keys() & {"splithistory.split_history", "splithistory.identification", "splithistory.theory"}
    needs = {"torch": "torch", "matplotlib": "plots", "gymnasium": "gymnasium"}
    for message in said.values():
        missing = message.partition(" ")[0]
        assert message.endswith(f'run pip install ".[{needs[missing]}]" in a clone of splithistory')
    assert set(needs.values()) <= PROJECT["optional-dependencies"].keys()
