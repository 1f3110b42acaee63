"""Checking that a results folder is complete, sound, current and consistent with its configuration."""

import html
import json
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
from PIL import Image

from sweep.code import code_version
from sweep.errors import REMEDY, TableError
from sweep.figures.svg_metadata import DUBLIN_CORE
from sweep.files import temporaries
from sweep.layout import Job, Table, csv_beside, policy_folders
from sweep.provenance import made_otherwise, made_with, metadata_of
from sweep.stages import SUMMARIZE
from sweep.summary_files import as_csv
from sweep.tables import read_table, validate_table
from sweep.workflow import MANIFEST, all_jobs

_SOURCE_IN_HTML = re.compile(r'<meta name="source" content="([^"]*)">')


@dataclass
class Examination:
    """Findings in a results folder.

    Attributes:
        expected: every file of the sweep, in the order in which they are made.
        problems: what is wrong with files and what to do, by path.
        notes: remarks on other files, by path; these are not problems.
        current: the files that need not be rebuilt, since they and everything they are made from are sound.
        missing: the files that do not exist.
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
        scripts: folder of the scripts and packages that make the results.
    """
    found = Examination()
    jobs = list(all_jobs(results, config["sweep"]))
    values: dict[str, tuple[str, int]] = {}  # checksum and rows of every sound table
    versions = defaultdict(set)
    for job in jobs:
        settings, code = job.settings(config), code_version(scripts, job.stage.script)
        schemas = {table.path: table.schema for table in job.tables}
        copies = {csv_beside(table.path): table for table in job.tables}
        for path in job.outputs:
            found.expected.append(path)
            if not Path(path).exists():
                found.missing.append(path)
                continue
            try:
                if path in schemas:
                    content = read_table(path, schemas[path])
                    validate_table(content, schemas[path], path)
                    made_by = metadata_of(content.schema, path)
                    for name, version in made_with(made_by).items():
                        versions[name].add(version)
                    if job.stage is MANIFEST:
                        _compare_with_manifest(found, path, content, results=results, values=values)
                    values[path] = made_by["checksum"], content.num_rows
                elif path in copies:
                    found.problems[path] += _copy_problems(path, copies[path])
                    continue
                else:
                    made_by = _source(path)
            except TableError as error:
                found.problems[path].append(str(error).removeprefix(f"{path}: "))
                continue
            found.problems[path] += _origin_problems(path, made_by, settings, code=code)
            # Inputs come before the files made from them.
            found.problems[path] += [
                f"was made from another version of {source}. {REMEDY}"
                for name, source in job.inputs.items()
                if source in values and made_by.get("inputs", {}).get(name) != values[source][0]
            ]
    found.problems = {path: texts for path, texts in found.problems.items() if texts}
    found.current = _current(found, jobs)
    found.notes = dict(_notes(results, set(found.expected), versions))
    return found


def _origin_problems(path: str, made_by: Mapping[str, Any], settings: Mapping[str, Any], code: str) -> list[str]:
    problems = [
        f"made by another configuration: {line.removeprefix(f'{path}: ')}. {REMEDY}"
        for line in made_otherwise(made_by, settings, path)
    ]
    if made_by.get("code") != code:
        problems.append(f"made by other code (version {made_by.get('code')}, now {code}). Rerun snakemake")
    return problems


def _compare_with_manifest(
    found: Examination, path: str, manifest: pa.Table, results: str, values: Mapping[str, tuple[str, int]]
) -> None:
    """Compare the tables with the checksums recorded at the end of the sweep."""
    listed = {f"{results}/{row['path']}": (row["sha256"], row["rows"]) for row in manifest.to_pylist()}
    for table in values.keys() & listed.keys():
        if values[table] != listed[table]:
            found.problems[table].append(f"its values differ from those in the manifest. {REMEDY}")
    if unlisted := values.keys() - listed.keys():
        found.problems[path].append(f"does not list {', '.join(sorted(unlisted)[:3])}. {REMEDY}")


def _copy_problems(path: str, table: Table) -> list[str]:
    """Compare a CSV with its table; problems of the table itself are reported only there."""
    with suppress(TableError):
        if Path(path).read_bytes() != as_csv(read_table(table.path, table.schema)):
            return [f"does not match {table.path}. {REMEDY}"]
    return []


def _source(path: str) -> dict[str, Any]:
    """Read the provenance of a figure or the report.

    Raises:
        TableError: if it cannot be read.
    """
    try:
        match Path(path).suffix:
            case ".svg":
                text = ElementTree.parse(path).getroot().findtext(f".//{DUBLIN_CORE}source")
            case ".png":
                with Image.open(path) as image:
                    image.load()
                    text = image.text.get("Source")
            case _:
                text = html.unescape(_SOURCE_IN_HTML.search(Path(path).read_text(encoding="utf-8"))[1])
        return json.loads(text)
    except Exception as error:  # damaged files make readers raise anything
        raise TableError(f"carries no provenance, so it is damaged or from elsewhere. {REMEDY}") from error


def _current(found: Examination, jobs: Iterable[Job]) -> list[str]:
    """Select the sound files whose inputs, and whose fellow outputs of the same job, are sound too."""
    wrong = found.problems.keys() | set(found.missing)
    before: set[str] = set()
    current: dict[str, None] = {}  # in order
    for job in jobs:
        outputs = job.outputs
        made_from = before if job.stage.inputs is None else job.inputs.values()
        # Only the manifest, the last file, knows which tables a summary was made from.
        witnesses = {*outputs, found.expected[-1]} if job.stage is SUMMARIZE else outputs
        if wrong.isdisjoint(witnesses) and {*made_from} <= current.keys():
            current |= dict.fromkeys(outputs)
        before.update(outputs)
    return [*current]


def _notes(results: str, expected: Container[str], versions: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    mixed = [f"{name} {', '.join(sorted(found))}" for name, found in versions.items() if len(found) > 1]
    if mixed:
        yield results, f"made with more than one version or processor: {'; '.join(mixed)}"
    for folder in policy_folders(results):
        if f"{folder}/part-0.parquet" not in expected:
            yield str(folder), "not part of this configuration; neither read nor deleted"
    for state in sorted(Path(results, "state").glob("*.pt")):
        yield str(state), "state of a stopped training; the next run continues from it"
    for temporary in temporaries(results):
        yield str(temporary), "being written, or left by a killed run; delete it if no run is in progress"
