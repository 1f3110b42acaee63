"""The configuration of a sweep: loading it, and telling everything that is wrong with it.

Types and ranges are checked against the `schema`, and keys against each other in `relations`; `wording` puts problems
into the user's words.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from sweep.configuration.relations import relation_problems
from sweep.configuration.schema import Key, validator
from sweep.configuration.wording import Problem, dotted, in_quotes, kind_of, schema_problems, shown
from sweep.errors import UserError
from sweep.places import one_spelling

SHIPPED_PATH = Path(__file__).parents[3] / "config.yaml"

_DEPTH = 5  # levels of the deepest key: sizes.NAME.finetune.maintenance.batch_size


class ConfigurationError(UserError):
    """The configuration cannot be used.

    Args:
        problems: one line each, beginning with the dotted key.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"The configuration has {count}; nothing was run:", problems)


def load(override_files: Sequence[Path | str]) -> dict[str, Any]:
    """The shipped configuration with override files merged into it, checked, as ``snakemake --configfile`` has it.

    Args:
        override_files: later ones win; mappings merge key by key, lists are replaced whole.

    Raises:
        UserError: if there is no such file, or it is not YAML.
        ConfigurationError: if the configuration cannot be used.
    """
    config: dict[str, Any] = {}
    for path in [SHIPPED_PATH, *override_files]:
        try:
            update_config(config, yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}; expected a configuration file") from None
        except (yaml.YAMLError, UnicodeDecodeError, AttributeError, ValueError) as error:
            raise UserError(f"{path}: not a configuration file in YAML ({error})") from None
    validate(config)
    return config | {"results_dir": one_spelling(config["results_dir"])}


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """The shipped configuration with another one merged into it, as `load` does it with files; unchecked."""
    merged = yaml.safe_load(SHIPPED_PATH.read_text(encoding="utf-8"))
    update_config(merged, config)
    return merged


def validate(config: Mapping[str, Any]) -> None:
    """Check a configuration after all files are merged.

    Args:
        config: the merged configuration, as YAML gives it.

    Raises:
        ConfigurationError: with every problem found, in the order of their keys.
    """
    plain, problems = _plain(config)
    renamed = {problem.key for problem in problems}
    for error in validator().iter_errors(plain):
        problems += [found for found in schema_problems(error) if found.unsound or found.key not in renamed]
    problems += relation_problems(plain, {problem.key for problem in problems if problem.unsound})
    if problems:
        raise ConfigurationError(sorted({f"{dotted(problem.key)} {problem.text}" for problem in problems}))


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
