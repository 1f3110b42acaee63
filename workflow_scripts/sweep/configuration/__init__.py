"""The configuration of a sweep: loading it, and reporting everything that is wrong with it.

Types and ranges are checked against the `schema`, and keys against each other in `relations`; `wording` phrases the
problems for the user. `files` finds what YAML itself would hide.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from snakemake.utils import update_config

from sweep.configuration import files
from sweep.configuration.files import plain_number
from sweep.configuration.relations import relation_problems
from sweep.configuration.schema import Key, schema_errors, schema_of
from sweep.configuration.wording import Problem, dotted, in_quotes, kind_of, schema_problems, shown
from sweep.errors import UserError
from sweep.places import one_spelling

SHIPPED_PATH = Path(__file__).parents[3] / "config.yaml"

_SHOWN = 50  # most problems shown; nobody reads thousands
_DEPTH = 5  # levels of the deepest key: sizes.NAME.finetune.maintenance.batch_size


class ConfigurationError(UserError):
    """The configuration cannot be used.

    Args:
        problems: one line per problem, beginning with the dotted key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        more = [f"and {len(problems) - _SHOWN} more."] if len(problems) > _SHOWN else []
        super().__init__(f"The configuration has {count}; nothing was run:", [*problems[:_SHOWN], *more])


def load(override_files: Sequence[Path | str]) -> dict[str, Any]:
    """Merge override files into the shipped configuration, like ``snakemake --configfile``, and check the result.

    Args:
        override_files: paths; later ones win. Mappings merge key by key, lists are replaced whole.

    Raises:
        UserError: if a file does not exist or is not YAML.
        ConfigurationError: if the configuration cannot be used.
    """
    config: dict[str, Any] = {}
    problems = []
    for path in [SHIPPED_PATH, *override_files]:
        written, found = files.read(path)
        update_config(config, written)
        problems += found
    validate(config, problems)
    return config | {"results_dir": one_spelling(config["results_dir"])}


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Merge another configuration into the shipped one, as `load` does with files, without checking it."""
    merged, _ = files.read(SHIPPED_PATH)
    update_config(merged, config)
    return merged


def check(config: dict[str, Any], configfiles: Iterable[Path | str], given: Mapping[str, Any]) -> None:
    """Check a configuration that Snakemake has put together.

    Args:
        config: Snakemake's configuration. Numbers within ``--config 'section={key: 1}'``, which Snakemake leaves as
            text, are converted in it.
        configfiles: files that it was read from, which are searched for what YAML drops.
        given: the entries of ``--config``.

    Raises:
        UserError: if one of the files cannot be read.
        ConfigurationError: if the configuration cannot be used.
    """
    _read_numbers(config, given, ())
    validate(config, [problem for path in configfiles for problem in files.problems(path)])


def _read_numbers(config: Any, given: Any, key: Key) -> None:
    """Convert text from the command line to numbers where the schema expects numbers."""
    entries = given.items() if isinstance(given, Mapping) else enumerate(given)
    for name, value in entries:
        own = (*key, name)
        try:
            found = config[name]
        except (LookupError, TypeError):
            continue
        if isinstance(value, Mapping | list):
            _read_numbers(found, value, own)
        elif key and found == value and schema_of(own).get("type") in ("integer", "number"):
            config[name] = plain_number(value)


def validate(config: Mapping[str, Any], problems_of_files: Sequence[str] = ()) -> None:
    """Check a configuration after all files are merged.

    Args:
        config: the merged configuration, as YAML gives it.
        problems_of_files: problems found in the files, to be reported as well.

    Raises:
        ConfigurationError: if there are problems; it lists all of them, those of the files first, then by key.
    """
    plain, problems = _plain(config)
    renamed = {problem.key for problem in problems}
    for error in schema_errors(plain):
        problems += [found for found in schema_problems(error) if found.unsound or found.key not in renamed]
    told = {problem.key for problem in problems}
    related = relation_problems(plain, {problem.key for problem in problems if problem.unsound})
    problems += [found for found in related if found.key not in told]
    if problems or problems_of_files:
        found = sorted({f"{dotted(problem.key)} {problem.text}" for problem in problems})
        raise ConfigurationError([*problems_of_files, *found])


def _plain(config: Any) -> tuple[Any, list[Problem]]:
    """Copy a configuration, reduced to what JSON can represent, whatever YAML made of it.

    A key that is not text is converted to text and reported as a problem. Values deeper than any key are dropped, which
    also ends cycles; an ancestor of theirs is a problem in any case. Integers beyond all ranges become infinite.
    """
    problems = []

    def copy(value: Any, key: Key) -> Any:
        if isinstance(value, int) and value.bit_length() > 1000:
            return math.inf
        if not isinstance(value, Mapping | list | tuple):
            return value
        if len(key) > _DEPTH:
            return None
        if not isinstance(value, Mapping):
            return [copy(entry, (*key, index)) for index, entry in enumerate(value)]
        named = {}
        for name, entry in value.items():
            if not isinstance(name, str):
                kind, remedy, name = kind_of(name), in_quotes(name), shown(name)
                problems.append(Problem((*key, name), f"is a key that YAML reads as {kind}; {remedy}."))
            named[name] = copy(entry, (*key, name))
        return named

    return copy(config, ()), problems
