"""The configuration of a sweep: what is wrong with it.

`config/config.schema.yaml` holds type, range and meaning of every key. Here are the relations between keys, which a
schema cannot express, and the messages.
"""

import difflib
import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from snakemake.utils import update_config

from splithistory.sequence import N_OUTCOMES, N_TOKENS
from sweep.errors import UserError

SHIPPED_PATH = Path(__file__).parents[2] / "config.yaml"
SCHEMA_PATH = Path(__file__).parents[2] / "config" / "config.schema.yaml"

_DEPTH = 5  # levels of the deepest key: sizes.NAME.finetune.maintenance.batch_size

Key = tuple[str | int, ...]  # the way to a value: names of keys, positions in lists


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
    return config


def validate(config: Mapping[str, Any]) -> None:
    """Check a configuration after all files are merged.

    Args:
        config: the merged configuration, as YAML gives it.

    Raises:
        ConfigurationError: with every problem found, in the order of their keys.
    """
    plain, problems = _plain(config)
    renamed = {problem.key for problem in problems}
    for error in _validator().iter_errors(plain):
        problems += [found for found in _schema_problems(error) if found.unsound or found.key not in renamed]
    problems += _relation_problems(_Sound(plain, {problem.key for problem in problems if problem.unsound}))
    if problems:
        raise ConfigurationError(sorted({f"{dotted(problem.key)} {problem.text}" for problem in problems}))


# The schema


class _Problem(NamedTuple):
    """What is wrong at a key. Where the value itself is ``unsound``, no relation that it takes part in is checked."""

    key: Key
    text: str
    unsound: bool = False


@cache
def _schema() -> dict[str, Any]:
    import yaml

    return yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))


@cache
def _validator() -> Any:
    """A validator of the schema, stricter than JSON Schema: 2.0 is no integer, NaN and infinity are no numbers."""
    from jsonschema import Draft202012Validator, validators  # takes 0.1 s, and most scripts validate nothing

    def is_number(_: Any, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    types = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": is_number, "integer": is_integer})
    return validators.extend(Draft202012Validator, type_checker=types)(_schema())


def schema_of(key: Key) -> dict[str, Any]:
    """What the schema says about a key, references resolved; nothing for an unknown key."""
    schema = _resolved({"$ref": "#/$defs/overrides"})
    for part in key:
        if isinstance(part, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(part) or schema.get("additionalProperties") or {}
        schema = _resolved(schema)
    return schema


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    target = _schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return {**_resolved(target), **{key: value for key, value in schema.items() if key != "$ref"}}


def _plain(config: Any) -> tuple[Any, list[_Problem]]:
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
                kind, remedy, name = _kind(name), _in_quotes(name), _shown(name)
                problems.append(_Problem((*key, name), f"is a key that YAML reads as {kind}; {remedy}."))
            named[name] = copy(entry, (*key, name))
        return named

    return copy(config, ()), problems


def _schema_problems(error: Any) -> Iterator[_Problem]:
    """Put an error of the validator into the user's words."""
    key, value = tuple(error.absolute_path), error.instance
    if "propertyNames" in error.absolute_schema_path:
        yield _Problem((*key, value), f"is not a name that can be used; expected {error.schema['title']}.")
        return
    match error.validator:
        case "required":
            for name in error.validator_value:
                if name not in value:
                    yield _Problem((*key, name), f"is missing; expected {expected((*key, name))}.", unsound=True)
        case "additionalProperties":
            known = list(schema_of(key)["properties"])
            for name in value:
                if name not in known:
                    yield _Problem((*key, name), f"is not a known key; {_meant(name, known, key)}")
        case "minItems" | "minProperties" if not value:
            yield _Problem(key, f"is empty; expected {expected(key)}.")
        case "minItems" | "maxItems":
            entries = "one entry" if len(value) == 1 else f"{len(value)} entries"
            yield _Problem(key, f"has {entries}; expected {expected(key)}.")
        case "uniqueItems":
            repeated = {_shown(entry) for entry in value if value.count(entry) > 1}
            yield _Problem(key, f"lists {', '.join(sorted(repeated))} more than once; expected every entry once.")
        case _:
            if error.validator == "enum" and not isinstance(value, str):
                return  # its type is a problem already
            shown = "empty" if value is None else _shown(value)
            text = f"is {shown}; expected {expected(key)}.{_remedy(value, schema_of(key))}"
            yield _Problem(key, text, unsound=True)


def expected(key: Key) -> str:
    """What may stand at a key, with an example."""
    schema = schema_of(key)
    kind = schema.get("type")
    if "enum" in schema:
        *others, last = schema["enum"]
        return f"{', '.join(others)} or {last}" if others else last
    example = json.dumps(schema["examples"][0]).replace('"', "") if "examples" in schema else ""
    example = example and f", such as {example}"
    if "title" in schema:
        return f"{schema['title']}{example}"
    if kind in ("integer", "number"):
        return f"{'a whole number' if kind == 'integer' else 'a number'} {_range(schema)}{example}"
    if kind == "array":
        return f"a list of {_plural(_resolved(schema['items']))}{example}"
    return f"a section of keys and values{example}"


def _plural(items: Mapping[str, Any]) -> str:
    return f"whole numbers {_range(items)}" if items["type"] == "integer" else "names"


def _range(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"from {schema['minimum']} to {schema['maximum']}"
    lower = f"of at least {schema['minimum']}" if "minimum" in schema else f"above {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        return f"{lower} and at most {schema['maximum']}"
    return f"{lower} and below {schema['exclusiveMaximum']}" if "exclusiveMaximum" in schema else lower


def _remedy(value: Any, schema: Mapping[str, Any]) -> str:
    """What to write instead of a value, where that can be told; begins with a space."""
    kind = schema["type"]
    if kind in ("integer", "number") and isinstance(value, str):
        return _remedy_for_text(value, kind)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return f" Write {int(value)}, without a decimal point."
    if "enum" in schema and isinstance(value, str):
        return _near(value, schema["enum"], " Did you mean {!r}?", cutoff=0.7)
    if kind == "string" and isinstance(value, int | float | date):
        return f" YAML reads it as {_kind(value)}; {_in_quotes(value)}."
    if kind == "object" and value is None:
        return " Fill the section, or delete its line."
    if kind == "array" and schema["minItems"] == 1 and isinstance(value, int | float | str) and value != "":
        return f" Write [{_shown(value).strip(chr(39))}]."
    return ""


def _remedy_for_text(text: str, kind: str) -> str:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return ""
    if not number.is_finite() or abs(number.adjusted()) > 12 or (kind == "integer" and number % 1):
        return ""
    plain = f"{number.normalize():f}"
    mantissa, _, exponent = text.strip().lower().partition("e")
    if not exponent:
        return f" Write {plain}, without quotes."
    if kind == "integer":
        return f" YAML reads it as text: write {plain}."
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f" YAML reads it as text: write {mantissa}e{int(exponent):+d} or {plain}."


def _meant(name: str, known: Sequence[str], section: Key) -> str:
    """What an unknown key was probably meant to be: one that lies further in, elsewhere, or is spelt much like it."""
    for start in (section, ()):
        if homes := [dotted(key) for key in _known_keys(start) if key[-1] == name]:
            return f"did you mean {' or '.join(map(repr, homes))}?"
    return _near(name, known, "did you mean {!r}?") or f"known here: {', '.join(known)}."


@cache
def _known_keys(section: Key = ()) -> list[Key]:
    """Every key that the schema names, other than below the names of sizes and tasks."""
    own = [(*section, name) for name in schema_of(section).get("properties", {})]
    return own + [key for name in own for key in _known_keys(name)]


def _near(name: str, known: Sequence[str], template: str, cutoff: float = 0.6) -> str:
    matches = difflib.get_close_matches(name, known, n=1, cutoff=cutoff) or [
        entry for entry in known if entry == name.lower()
    ]
    return template.format(matches[0]) if matches else ""


# Relations between keys


class _Sound:
    """Reads those values of a configuration that no problem touches."""

    def __init__(self, config: Any, unsound: set[Key]) -> None:
        self.config = config
        self.unsound = unsound

    def __call__(self, *key: str | int) -> Any:
        """The value at a key, or None if it is missing, or it or a section around it is unsound."""
        if not self.reaches(key):
            return None
        value = self.config
        for part in key:
            if isinstance(value, Mapping) and part not in value:
                return None
            value = value[part]
        return value

    def reaches(self, key: Key) -> bool:
        return not any(key[:length] in self.unsound for length in range(len(key) + 1))

    def names(self, section: str) -> list[str]:
        return list(self(section) or ())

    def first(self, sections: Sequence[Key], *key: str) -> tuple[Key, Any] | None:
        """The first of the sections that holds a key, and its value there; None if an unsound one comes before."""
        for section in sections:
            if not self.reaches((*section, *key)):
                return None
            value = self(*section, *key)
            if value is not None:
                return (*section, *key), value
        return None


def _relation_problems(sound: _Sound) -> Iterator[_Problem]:
    """What is wrong between keys that are sound by themselves."""
    for kind in ("sizes", "tasks"):
        yield from _undefined_names(sound, kind)
    for size in sound.names("sizes"):
        yield from _uneven_heads(sound, size)
    for task in sound.names("tasks"):
        yield from _unclear_reward(sound, task)
    yield from _unreached_outcomes(sound)
    yield from _short_chains(sound)
    yield from _few_test_chains(sound)
    for size in sound.names("sizes"):
        pretrain = [("sizes", size, "pretrain"), ("pretrain",)]
        yield from _rare_evaluation(sound, pretrain)
        yield from _long_schedule(sound, pretrain)
        for task in sound.names("tasks"):
            finetune = [("tasks", task, "finetune"), ("sizes", size, "finetune"), ("finetune",)]
            yield from _rare_evaluation(sound, finetune)
            yield from _long_schedule(sound, finetune)
            yield from _large_maintenance(sound, finetune)


def _undefined_names(sound: _Sound, kind: str) -> Iterator[_Problem]:
    defined = sound(kind)
    for index in range(len(sound("sweep", kind) or ())):
        name = sound("sweep", kind, index)
        if defined and name is not None and name not in defined:
            names = ", ".join(dotted((known,)) for known in defined)
            meant = _near(name, list(defined), "did you mean {!r}?") or f"defined there: {names}."
            yield _Problem(("sweep", kind, index), f"is {_shown(name)}, which is not defined under {kind}; {meant}")


def _uneven_heads(sound: _Sound, size: str) -> Iterator[_Problem]:
    width, n_heads = sound("sizes", size, "d_model"), sound("sizes", size, "n_heads")
    if width and n_heads and width % n_heads:
        above = width - width % n_heads + n_heads
        yield _Problem(
            ("sizes", size, "d_model"),
            f"is {width}; expected a multiple of n_heads, which is {n_heads}. The next one is {above}.",
        )


def _unclear_reward(sound: _Sound, task: str) -> Iterator[_Problem]:
    section, good, utility = ("tasks", task), ("tasks", task, "good"), ("tasks", task, "utility")
    if not isinstance(sound(*section), Mapping):
        return
    given = [key for key in (good, utility) if key[-1] in sound(*section)]
    if not given:
        yield _Problem(
            good, f"is missing, and so is utility; expected {expected(good)}, or a utility, {expected(utility)}."
        )
    if len(given) == 2:
        yield _Problem(
            section,
            f"has both good, {_shown(sound(*good))}, and utility, {_shown(sound(*utility))}; expected one of them. "
            "Delete one, or, if another file has it, give the task another name, as files are merged key by key.",
        )
    values = [sound(*utility, index) for index in range(len(sound(*utility) or ()))]
    if len(values) == N_OUTCOMES and len(set(values)) == 1 and values[0] is not None:
        yield _Problem(
            utility,
            f"is {_shown(values[0])} for every outcome; expected at least two different numbers, so that there is "
            "something to gain.",
        )


def _unreached_outcomes(sound: _Sound) -> Iterator[_Problem]:
    key = ("sequence", "outcome_of_residue")
    outcomes = [sound(*key, index) for index in range(len(sound(*key) or ()))]
    if len(outcomes) == N_TOKENS and None not in outcomes and (missing := set(range(N_OUTCOMES)) - set(outcomes)):
        lacking = " and ".join(map(str, sorted(missing)))
        yield _Problem(
            key,
            f"is {_shown(outcomes)}, without {lacking}; expected each outcome of 0..7 at least once, "
            "since Op and Imp compare futures that can have any of them.",
        )


def _short_chains(sound: _Sound) -> Iterator[_Problem]:
    chain, context = sound("sequence", "chain_length"), sound("sequence", "context_length")
    if chain and context and chain < context + 2:
        yield _Problem(
            ("sequence", "chain_length"),
            f"is {chain}; expected at least context_length + 2 = {context + 2}, for a window before an even and one "
            "before an odd position.",
        )


def _few_test_chains(sound: _Sound) -> Iterator[_Problem]:
    n_test, n_repeats = sound("sequence", "n_test"), sound("measure", "n_repeats")
    counts = ("n_contexts_exact", "n_contexts_monte_carlo", "n_contexts_self_estimate")
    n_contexts, key = max((sound("measure", key) or 0, key) for key in counts)
    if n_test and n_repeats and n_test < n_repeats * n_contexts:
        yield _Problem(
            ("sequence", "n_test"),
            f"is {n_test}; expected at least measure.n_repeats × measure.{key} = {n_repeats} × {n_contexts} "
            f"= {n_repeats * n_contexts}, as every window is cut from a chain of its own. Raise it, or lower those.",
        )
    n_differential = sound("measure", "n_contexts_differential")
    if n_test and n_differential and n_test < n_differential:
        yield _Problem(
            ("measure", "n_contexts_differential"),
            f"is {n_differential}; expected at most sequence.n_test, which is {n_test}, as every window is cut from a "
            "chain of its own. Lower it, or raise that.",
        )


def _rare_evaluation(sound: _Sound, sections: Sequence[Key]) -> Iterator[_Problem]:
    interval, n_steps = sound.first(sections, "evaluation_interval"), sound.first(sections, "n_steps")
    if interval and n_steps and interval[1] > n_steps[1]:
        sibling = (*n_steps[0][:-1], "evaluation_interval")
        remedy = "Lower it" if sibling == interval[0] else f"Lower it, or set {dotted(sibling)}"
        yield _Problem(
            interval[0],
            f"is {interval[1]}; expected at most {dotted(n_steps[0])}, which is {n_steps[1]}. {remedy}.",
        )


def _long_schedule(sound: _Sound, sections: Sequence[Key]) -> Iterator[_Problem]:
    rise, fall = sound.first(sections, "warmup_fraction"), sound.first(sections, "anneal_fraction")
    if rise and fall and rise[1] + fall[1] > 1 + 1e-9:
        yield _Problem(
            fall[0],
            f"is {fall[1]}, which with {dotted(rise[0])} = {rise[1]} makes {rise[1] + fall[1]:.6g}; expected a sum of "
            "at most 1, the whole of the steps. Lower one of them.",
        )


def _large_maintenance(sound: _Sound, sections: Sequence[Key]) -> Iterator[_Problem]:
    size = sound.first(sections, "maintenance", "batch_size")
    natural = sound.first(sections, "maintenance", "natural_fraction")
    random = sound.first(sections, "maintenance", "random_fraction")
    rollouts = sound.first(sections, "batch_size")
    if not (size and natural and random and rollouts):
        return
    needed = (1 - random[1]) * (1 - natural[1]) * size[1]
    if round(needed, 6) > rollouts[1]:
        yield _Problem(
            size[0],
            f"is {size[1]}, of which {dotted(natural[0])} = {natural[1]} and {dotted(random[0])} = {random[1]} leave "
            f"{needed:.6g} to the policy's own rollouts; expected at most the {rollouts[1]} of {dotted(rollouts[0])}. "
            f"Lower it to {rollouts[1]}, raise natural_fraction or random_fraction, or raise the rollouts.",
        )


# Wording

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 3
_PLAIN_NAME = re.compile(r"[\w.-]{1,64}")


def dotted(key: Key) -> str:
    """A key as users write it: ``sweep.seeds[0]``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _PLAIN_NAME.fullmatch(part) else f".{_SHORT.repr(part)}"
    return text.removeprefix(".") or "The configuration"


def _shown(value: Any) -> str:
    """A value as users write it, shortened."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return str(value)
    return "a section" if isinstance(value, Mapping) else _SHORT.repr(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return f"{_shown(value)} (as it does yes, no, on and off)"
    if isinstance(value, int | float):
        return "a number"
    return "a date" if isinstance(value, date) else _shown(value)


def _in_quotes(value: Any) -> str:
    exact = isinstance(value, int | date) and not isinstance(value, bool)  # what was 1.50 or yes cannot be told
    return f'write it in quotes: "{_shown(value)}"' if exact else "write it in quotes"
