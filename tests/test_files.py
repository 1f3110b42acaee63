"""Files are written whole or not at all, under temporary names that readers ignore, with the umask's permissions."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from conftest import ROOT
from sweep.figures.theme import CaptionedFigure, save
from sweep.files import replacing, temporaries
from sweep.provenance import provenance
from sweep.schemas.measure import SUCCESS
from sweep.snapshots import FileSnapshots
from sweep.tables import write_table
from test_tables import SETTINGS, example

KILLED = """
import os, signal, sys
from sweep import tables
from sweep.schemas.measure import SUCCESS
from test_tables import example
def killed(table, path, **options):
    path.write_bytes(b"PAR1 and half a table")
    os.kill(os.getpid(), signal.SIGKILL)
tables.pq.write_table = killed
tables.write_table([example(SUCCESS)], SUCCESS, sys.argv[1], {})
"""


def table_at(path):
    write_table([example(SUCCESS)], SUCCESS, path, provenance(SETTINGS, "code"))
    return path


def kill_while_writing(path):
    code = os.pathsep.join(str(ROOT / folder) for folder in ("workflow_scripts", "tests"))
    done = subprocess.run([sys.executable, "-c", KILLED, path], env={**os.environ, "PYTHONPATH": code})
    assert done.returncode == -9


@pytest.fixture
def with_half_a_table(tmp_path):
    """A Hive folder of two policies, one of which was being written again when its job was killed."""
    for task in ("good2", "good4"):
        table_at(tmp_path / f"task={task}" / "part-0.parquet")
    kill_while_writing(tmp_path / "task=good2" / "part-0.parquet")
    return tmp_path


def test_what_a_kill_leaves_stops_no_reader(with_half_a_table):
    files = f"read_parquet('{with_half_a_table}/**/*.parquet', hive_partitioning = true)"
    assert duckdb.sql(f"SELECT task FROM {files} ORDER BY task").fetchall() == [("good2",), ("good4",)]
    assert sorted(pd.read_parquet(with_half_a_table)["task"]) == ["good2", "good4"]
    assert pq.read_table(with_half_a_table).num_rows == 2


def test_what_a_kill_leaves_is_found_and_gone_once_the_file_is_written(with_half_a_table):
    (left,) = temporaries(with_half_a_table)
    assert left.name.startswith(".part-0.parquet.")
    of_another_file = with_half_a_table / "task=good4" / ".part-0.parquet.00000000.tmp"
    of_an_earlier_version = with_half_a_table / "task=good2" / ".part-0.ab_c0123.parquet"
    for path in (of_another_file, of_an_earlier_version):
        path.touch()
    assert temporaries(with_half_a_table) == sorted([left, of_another_file, of_an_earlier_version])
    table_at(with_half_a_table / "task=good2" / "part-0.parquet")
    assert temporaries(with_half_a_table) == [of_another_file]


@pytest.mark.parametrize("name", ["part-0.parquet", "figure.svg", "figure.png", "state,0.pt", "report.html", "c.yaml"])
def test_a_temporary_file_is_hidden_and_of_no_kind(tmp_path, name):
    with replacing(tmp_path / "folder" / name) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path / "folder"
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".tmp"
        assert temporaries(tmp_path) == [temporary]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [name]


def test_writing_one_file_leaves_alone_what_another_is_written_to(tmp_path):
    """Names of tasks, and so of figures, may have dots."""
    with replacing(tmp_path / "a.b.svg") as other, replacing(tmp_path / "a.svg"):
        other.write_text("whole")
    assert (tmp_path / "a.b.svg").read_text() == "whole"


def write_everything(folder):
    """A table, a figure in two formats, a state, a text."""
    table_at(folder / "part-0.parquet")
    save(CaptionedFigure(Figure(), "title", "caption"), folder / "f.svg", folder / "f.png", dpi=50, made_by={})
    FileSnapshots(folder / "state", {}).keep({"rows": [{}]})
    with replacing(folder / "report.html") as temporary:
        temporary.write_text("text", encoding="utf-8")
    return [path for path in folder.iterdir() if path.is_file()]


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o027, 0o077])
def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, umask):
    before = os.umask(umask)
    try:
        files = write_everything(tmp_path / "folder")
        modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in files}
    finally:
        os.umask(before)
    assert len(files) == 5
    assert set(modes.values()) == {oct(0o666 & ~umask)}, modes


def test_a_file_system_that_refuses_to_change_permissions_fails_nothing(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(1, "Operation not permitted")

    for name in ("chmod", "fchmod", "lchmod"):
        monkeypatch.setattr(os, name, refuse, raising=False)
    monkeypatch.setattr(Path, "chmod", refuse)
    assert len(write_everything(tmp_path / "folder")) == 5
    assert temporaries(tmp_path) == []
