"""Whether a results folder is what its configuration says: every file there, sound, current and fitting the others."""

import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import Image

from sweep.canonical_json import configuration_hash
from sweep.code import code_version
from sweep.errors import REMEDY, TableError
from sweep.figures import figure_names
from sweep.figures.svg_metadata import DUBLIN_CORE
from sweep.layout import REPORT_FILES, all_tables, policy_folders
from sweep.provenance import checksum, made_otherwise, metadata_of
from sweep.stages import Origin, Settings, drawing, origin, summarizing
from sweep.tables import read_table, validate_table

_SOURCE_IN_HTML = re.compile(r'<meta name="source" content="([^"]*)">')
_SUMMARY_SCRIPT = "summarize.py"


@dataclass
class Examination:
    """What was found in a results folder.

    Attributes:
        expected: every file of the sweep, in the order in which they are made.
        problems: what is wrong with a file and what to do, by its path.
        notes: what lies there besides, by its path; nothing is wrong with it.
        current: the files that need not be made again: all is well with them and with all they are made from.
        missing: the files that are not there.
    """

    expected: list[str] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, str] = field(default_factory=dict)
    current: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def examine(config: Mapping[str, Any], results: str, scripts: Path) -> Examination:
    """Compare every file of a sweep with its schema, its neighbours, the manifest, the configuration and the code.

    Args:
        config: a valid configuration.
        results: folder of the sweep.
        scripts: folder of the scripts and packages that make results.
    """
    found = Examination()
    origins = {table.path: origin(config, results, table) for table in all_tables(results, config["sweep"])}
    checksums, rows, versions = {}, {}, defaultdict(set)
    for table in all_tables(results, config["sweep"]):
        path = table.path
        if not Path(path).exists():
            found.missing.append(path)
            continue
        try:
            content = read_table(path, table.schema)
            validate_table(content, table.schema, path)
            made_by = metadata_of(content.schema, path)
        except TableError as error:
            found.problems[path].append(str(error).removeprefix(f"{path}: "))
            continue
        checksums[path], rows[path] = checksum(content), content.num_rows
        for library, version in made_by.get("versions", {}).items():
            versions[library].add(version)
        made = origins[path]
        found.problems[path] += _origin_problems(path, made_by, made.settings, code_version(scripts, made.script))
        # Inputs come before what is made from them.
        found.problems[path] += [
            f"was made from another {name} than {source} is now. {REMEDY}"
            for name, source in made.inputs.items()
            if source in checksums and made_by.get("inputs", {}).get(name) != checksums[source]
        ]
    manifest = f"{results}/manifest.parquet"
    _examine_manifest(found, manifest, results, checksums, rows)
    files = {path: ("draw_figures.py", drawing(config)) for path in _figures(results, config["sweep"]["tasks"])}
    files |= {f"{results}/{name}": ("write_report.py", drawing(config)) for name in REPORT_FILES}
    files |= {manifest: ("write_manifest.py", summarizing(config))}
    for path, (script, settings) in files.items():
        if Path(path).exists():
            made_by = _source(path)
            if made_by is None:
                found.problems[path].append(f"does not say what made it, so it is damaged or not ours. {REMEDY}")
            else:
                found.problems[path] += _origin_problems(path, made_by, settings, code_version(scripts, script))
        else:
            found.missing.append(path)
    found.expected = [*origins, *files]
    found.problems = {path: texts for path, texts in found.problems.items() if texts}
    found.current = _current(found, origins)
    found.notes = dict(_notes(results, origins, versions))
    return found


def _origin_problems(path: str, made_by: Mapping[str, Any], settings: Settings, code: str) -> list[str]:
    problems = [
        f"another configuration made it: {line.removeprefix(f'{path}: ')}. {REMEDY}"
        for line in made_otherwise(made_by, settings, path)
    ]
    if made_by.get("code") != code:
        problems.append(f"other code made it (version {made_by.get('code')}, now {code}). Rerun snakemake")
    return problems


def _examine_manifest(
    found: Examination, manifest: str, results: str, checksums: Mapping[str, str], rows: Mapping[str, int]
) -> None:
    """Compare the tables with the checksums that were noted when the sweep ended."""
    if not Path(manifest).exists():
        return
    try:
        table = read_table(manifest, "manifest")
        validate_table(table, "manifest", manifest)
    except TableError as error:
        found.problems[manifest].append(str(error).removeprefix(f"{manifest}: "))
        return
    listed = {f"{results}/{row['path']}": row for row in table.to_pylist()}
    for path in checksums.keys() & listed.keys():
        if (checksums[path], rows[path]) != (listed[path]["sha256"], listed[path]["rows"]):
            found.problems[path].append(f"its values are not those that the manifest lists. {REMEDY}")
    if unlisted := checksums.keys() - listed.keys():
        found.problems[manifest].append(f"does not list {', '.join(sorted(unlisted)[:3])}. {REMEDY}")


def _figures(results: str, tasks: Iterable[str]) -> list[str]:
    return [f"{results}/figures/{name}.{format}" for name in figure_names(list(tasks)) for format in ("svg", "png")]


def _source(path: str) -> dict[str, Any] | None:
    """What a figure, the report or the manifest says of its making; None if it cannot be read."""
    try:
        match Path(path).suffix:
            case ".svg":
                text = ElementTree.parse(path).getroot().findtext(f".//{DUBLIN_CORE}source")
            case ".png":
                with Image.open(path) as image:
                    image.load()
                    text = image.text.get("Source")
            case ".html":
                text = html.unescape(_SOURCE_IN_HTML.search(Path(path).read_text(encoding="utf-8"))[1])
            case _:
                return metadata_of(read_table(path, "manifest").schema, path)
        return json.loads(text)
    except Exception:  # whatever a damaged file makes its reader raise
        return None


def _current(found: Examination, origins: Mapping[str, Origin]) -> list[str]:
    """Files that are right, together with all that they are made from and what the same job makes beside them."""
    wrong = found.problems.keys() | set(found.missing)
    files = [path for path in found.expected if path not in origins]
    jobs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, made in origins.items():
        jobs[made.script, configuration_hash(made.settings)].append(path)
    summary = [path for path, made in origins.items() if made.script == _SUMMARY_SCRIPT]
    current: set[str] = set()
    for outputs in jobs.values():
        inputs = {source for path in outputs for source in origins[path].inputs.values()}
        if outputs != summary and not wrong.intersection(outputs) and inputs <= current:
            current.update(outputs)
    # The summary is made from all tables, and which ones it saw is known by the manifest alone.
    if {*current, *summary} == origins.keys() and not wrong.intersection([*summary, found.expected[-1]]):
        current.update(summary)
        figures = [path for path in files if "/figures/" in path]
        if not wrong.intersection(figures):
            current.update(figures)
    if not wrong:
        current.update(files)
    return [path for path in found.expected if path in current]


def _notes(results: str, origins: Mapping[str, Origin], versions: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    mixed = [f"{library} {', '.join(sorted(found))}" for library, found in versions.items() if len(found) > 1]
    if mixed:
        yield results, f"made with more than one version of {'; '.join(mixed)}"
    for folder in policy_folders(results):
        if f"{folder}/part-0.parquet" not in origins:
            yield str(folder), "not of this configuration; neither read nor deleted"
    for state in sorted(Path(results, "state").glob("*.pt")):
        yield str(state), "a training that was stopped here; the next run goes on from it"
