"""Configuration files as written: reports what YAML would drop, or read differently from how it looks."""

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sweep.configuration.schema import Key, schema_of
from sweep.configuration.wording import dotted
from sweep.errors import UserError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the loader in C is twenty times as fast, if there is one
_DEEPEST = 50  # most levels allowed; no key lies deeper than the fifth
_MOST = 3_000_000  # most values allowed; a megabyte of names has a tenth of that
_PLAIN = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?[0-9]*\.?[0-9]*([eE][-+]?[0-9]+)?|[-+]?\.(inf|nan)", re.IGNORECASE),
}


def read(path: Path | str) -> tuple[dict[str, Any], list[str]]:
    """Read a configuration file.

    Args:
        path: YAML or JSON in UTF-8.

    Returns:
        The contents, and a problem for each key that is written twice and each number that YAML reads differently from
        how it looks.

    Raises:
        UserError: if the file does not exist, or is not a mapping in YAML.
    """
    with _described(path):
        root, found = _composed(path)
        return yaml.constructor.SafeConstructor().construct_document(root), found


def problems(path: Path | str) -> list[str]:
    """List the problems that `read` finds, without constructing the contents."""
    with _described(path):
        return _composed(path)[1]


@contextmanager
def _described(path: Path | str) -> Iterator[None]:
    """Name the file and line of errors in YAML's syntax.

    Raises:
        UserError: in place of YAML's own error.
    """
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(f"{path}, line {mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None


def _composed(path: Path | str) -> tuple[yaml.MappingNode, list[str]]:
    """Compose a file's keys and values as YAML nodes, and list the problems that `read` reports."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; expected a configuration file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not text in UTF-8; expected a configuration file in YAML or JSON") from None
    _check_depth(text, path)
    root = yaml.compose(_as_yaml(text), Loader=_LOADER)
    if root is None:
        raise UserError(f"{path}: is empty; expected keys and values, such as device: cpu")
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise UserError(f"{path}: holds {kind}; expected keys and values, such as device: cpu")
    if _n_values(root, frozenset(), {}) > _MOST:
        raise UserError(f"{path}: its aliases stand for more than {_MOST:,} values; write out what is meant")
    return root, [f"{path}, line {line}: {text}" for line, text in _problems(root, ())]


def _as_yaml(text: str) -> str:
    """Make JSON valid YAML: replace the tabs between values by spaces."""
    if "\t" not in text:
        return text
    try:
        json.loads(text)
    except ValueError:
        return text
    return text.replace("\t", " ")


def _check_depth(text: str, path: Path | str) -> None:
    """Refuse nesting so deep that recursive functions would exhaust the stack."""
    depth = 0
    for event in yaml.parse(_as_yaml(text), Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise UserError(
                    f"{path}, line {event.start_mark.line + 1}: nested more than {_DEEPEST} levels deep; no key of the "
                    "configuration lies deeper than the fifth"
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _n_values(node: yaml.Node, around: frozenset[yaml.Node], known: dict[yaml.Node, int]) -> int:
    """Count the values below a node, including those that aliases stand for; refuse nodes that contain themselves."""
    if node in around:
        raise yaml.MarkedYAMLError(problem="an alias stands for what it is a part of", problem_mark=node.start_mark)
    if node not in known:
        parts = itertools.chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        within = around | {node}
        nested = isinstance(node, yaml.CollectionNode)
        known[node] = 1 + (sum(_n_values(part, within, known) for part in parts) if nested else 0)
    return known[node]


def _problems(node: yaml.Node, key: Key) -> Iterator[tuple[int, str]]:
    """Yield line and text of each problem below a node."""
    if isinstance(node, yaml.ScalarNode):
        plain = _PLAIN.get(node.tag)
        if plain and not node.style and not plain.fullmatch(node.value):
            yield node.start_mark.line + 1, f"{dotted(key)} is {node.value}, {_number_text(node)}"
    elif isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            yield from _problems(entry, (*key, index))
    else:
        first: dict[tuple[str, str], int] = {}
        for name, entry in node.value:
            if not isinstance(name, yaml.ScalarNode) or not (key or name.value in schema_of(())["properties"]):
                continue  # not a key of the configuration, which validation reports
            line, own = name.start_mark.line + 1, (*key, name.value)
            if (name.tag, name.value) in first:
                yield (
                    line,
                    f"{dotted(own)} is written twice, first on line {first[name.tag, name.value]}, and YAML drops what "
                    "is written first; delete one, or join the two.",
                )
            first.setdefault((name.tag, name.value), line)
            yield from _problems(entry, own)


def _number_text(node: yaml.ScalarNode) -> str:
    """Say how YAML reads a number that is not in plain digits, and what to write instead."""
    value = yaml.constructor.SafeConstructor().construct_object(node)
    meant = dict.fromkeys([*([str(int(node.value))] if node.value.isdigit() else []), str(value)])
    return f"which YAML reads as {value}; write {' or '.join(meant)}, in plain digits."


def plain_number(text: Any) -> Any:
    """Convert text to a number if it is one in plain digits; return anything else as it is."""
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, AttributeError, TypeError):
        return text
    plain = _PLAIN.get(getattr(node, "tag", None))
    return yaml.constructor.SafeConstructor().construct_object(node) if plain and plain.fullmatch(text) else text
