"""The configuration of a sweep: loading it, and telling everything that is wrong with it.

Types and ranges are checked against the `schema`, and keys against each other in `relations`; `wording` puts problems
into the user's words. What YAML itself would hide is found in the `files`.
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

_SHOWN = 50  # problems; nobody reads thousands
_DEPTH = 5  # levels of the deepest key: sizes.NAME.finetune.maintenance.batch_size


class ConfigurationError(UserError):
    """The configuration cannot be used.

    Args:
        problems: one line each, beginning with the dotted key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        more = [f"and {len(problems) - _SHOWN} more."] if len(problems) > _SHOWN else []
        super().__init__(f"The configuration has {count}; nothing was run:", [*problems[:_SHOWN], *more])


def load(override_files: Sequence[Path | str]) -> dict[str, Any]:
    """The shipped configuration with override files merged into it, checked, as ``snakemake --configfile`` has it.

    Args:
        override_files: later ones win; mappings merge key by key, lists are replaced whole.

    Raises:
        UserError: if there is no such file, or it is not YAML.
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
    """The shipped configuration with another one merged into it, as `load` does it with files; unchecked."""
    merged, _ = files.read(SHIPPED_PATH)
    update_config(merged, config)
    return merged


def check(config: dict[str, Any], configfiles: Iterable[Path | str], given: Mapping[str, Any]) -> None:
    """Check a configuration that Snakemake has put together.

    Args:
        config: its own; numbers that were given as a part of ``--config 'section={key: 1}'``, which come as text,
            become numbers in it.
        configfiles: what it was read from, to be looked through for what got lost.
        given: what ``--config`` said.

    Raises:
        UserError: if one of the files cannot be read.
        ConfigurationError: if the configuration cannot be used.
    """
    _read_numbers(config, given, ())
    validate(config, [problem for path in configfiles for problem in files.problems(path)])


def _read_numbers(config: Any, given: Any, key: Key) -> None:
    """Put numbers in place of the text that a part of the command line is, where a number is expected."""
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
        problems_of_files: what has been found before, to be told as well.

    Raises:
        ConfigurationError: with every problem found, those of the files first, the others in the order of their keys.
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
    """Copy a configuration as what JSON can hold, whatever YAML made of it.

    A key that is not text is renamed to its text and becomes a problem. What lies deeper than any key can is left
    out, which also ends cycles; its ancestor is a problem in any case. An integer beyond all ranges becomes infinite.
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
