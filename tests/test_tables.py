"""Tables and checkpoints: what is written is what is read, whole or not at all, and nothing else passes."""

import json
import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SCHEMAS
from splithistory.environment import Recurrence
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from sweep import tables
from sweep.canonical_json import configuration_hash
from sweep.chains import read_chains, write_chains
from sweep.checkpoints import load_checkpoint, save_checkpoint
from sweep.errors import TableError
from sweep.layout import finetuned_table
from sweep.provenance import (
    METADATA_KEY,
    checksum,
    made_with,
    metadata_of,
    provenance,
    recorded_hash,
    with_metadata,
)
from sweep.schemas.measure import SUCCESS
from sweep.schemas.sequences import CHAINS
from sweep.tables import read_table, write_table

SHAPE = {"d_model": 8, "n_layers": 2, "n_heads": 2, "d_ff": 12, "context_length": 20}
TINY = Architecture(**SHAPE)
SETTINGS = {"noise": 0.02}


def problem_with(function, *arguments):
    with pytest.raises(TableError) as caught:
        function(*arguments)
    return str(caught.value)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# Checkpoints


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "policy.parquet"
    save_checkpoint(initial_policy(TINY, seed=0), path, provenance(SETTINGS, "code", packages=["torch"]), seed=0)
    return path


def rewritten(path, change):
    """Write the checkpoint as if it had other rows."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    changed = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(with_metadata(changed, metadata_of(table.schema, path)), path)


def test_a_checkpoint_gives_back_every_bit(tmp_path):
    policy = initial_policy(TINY, seed=0)
    with torch.no_grad():
        policy.head.bias[:4] = torch.tensor([1e-45, -0.0, 3.4e38, 1 / 3])
    save_checkpoint(policy, tmp_path / "policy.parquet", provenance(SETTINGS, "code"))
    read, _ = load_checkpoint(tmp_path / "policy.parquet", dropout=0.3)
    assert read.architecture == TINY
    assert not read.training
    assert read.blocks[0].mlp_dropout.rate == 0.3
    for name, tensor in policy.state_dict().items():
        assert torch.equal(tensor.view(torch.int32), read.state_dict()[name].view(torch.int32)), name


def test_a_checkpoint_says_what_it_is(checkpoint):
    _, metadata = load_checkpoint(checkpoint)
    assert metadata["architecture"] == SHAPE
    assert metadata["n_parameters"] == sum(p.numel() for p in initial_policy(TINY, 0).parameters())
    assert metadata["seed"] == 0
    assert metadata["settings"] == SETTINGS
    assert metadata["configuration_hash"] == configuration_hash(SETTINGS) == recorded_hash(checkpoint)
    assert metadata["versions"].keys() == {"python", "numpy", "pyarrow", "torch"}


def test_a_missing_checkpoint_is_named(tmp_path):
    problem = problem_with(load_checkpoint, tmp_path / "none.parquet")
    assert str(tmp_path / "none.parquet") in problem
    assert "no such file" in problem


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_checkpoint_is_named(checkpoint, share):
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(share * len(whole))])
    problem = problem_with(load_checkpoint, checkpoint)
    assert str(checkpoint) in problem
    assert "not a readable Parquet file" in problem


@pytest.mark.parametrize("content", [b"garbage", b"PAR1" + bytes(100) + b"PAR1", bytes(range(256)) * 40])
def test_garbage_is_not_a_checkpoint(checkpoint, content):
    checkpoint.write_bytes(content)
    assert f"{checkpoint}: not a readable Parquet file" in problem_with(load_checkpoint, checkpoint)


def test_a_changed_parameter_does_not_pass(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    values = initial_policy(TINY, seed=0).token_embedding.weight.detach().numpy().tobytes()
    content[content.index(values[:40]) + 20] ^= 1
    checkpoint.write_bytes(content)
    assert str(checkpoint) in problem_with(load_checkpoint, checkpoint)


def test_a_foreign_table_is_told_apart_by_its_columns(tmp_path):
    path = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), path)
    problem = problem_with(load_checkpoint, path)
    assert f"{path}: not a 'checkpoint' table" in problem
    assert "got a int64, b string" in problem


def test_a_table_that_the_workflow_did_not_write_carries_no_metadata(checkpoint):
    pq.write_table(pq.read_table(checkpoint).replace_schema_metadata(None), checkpoint)
    assert f"{checkpoint}: carries no 'splithistory' metadata" in problem_with(load_checkpoint, checkpoint)
    assert recorded_hash(checkpoint) is None


@pytest.mark.parametrize(
    "architecture",
    [None, {}, {"d_model": 8}, "large"]
    + [
        SHAPE | change for change in ({"d_model": 7}, {"d_ff": "12"}, {"d_model": 8.0}, {"n_heads": 0}, {"d_model": -8})
    ],
)
def test_metadata_without_an_architecture_is_refused(checkpoint, architecture):
    table = pq.read_table(checkpoint)
    pq.write_table(with_metadata(table, {"architecture": architecture}), checkpoint)
    assert f"{checkpoint}: its metadata describes no architecture" in problem_with(load_checkpoint, checkpoint)


@pytest.mark.parametrize("metadata", [[], "text", 5])
def test_metadata_that_are_no_mapping_are_refused(checkpoint, metadata):
    pq.write_table(pq.read_table(checkpoint).replace_schema_metadata({METADATA_KEY: json.dumps(metadata)}), checkpoint)
    assert str(checkpoint) in problem_with(load_checkpoint, checkpoint)


def test_metadata_that_are_no_mapping_record_no_hash(checkpoint):
    pq.write_table(pq.read_table(checkpoint).replace_schema_metadata({METADATA_KEY: "[]"}), checkpoint)
    assert recorded_hash(checkpoint) is None


@pytest.mark.parametrize("column", ["name", "shape", "values"])
def test_a_checkpoint_with_a_null_is_refused(checkpoint, column):
    rewritten(checkpoint, lambda rows: rows[0].update({column: None}))
    assert str(checkpoint) in problem_with(load_checkpoint, checkpoint)


def test_a_tensor_listed_twice_is_refused(checkpoint):
    rewritten(checkpoint, lambda rows: rows.append(rows[0]))
    assert f"tensor {pq.read_table(checkpoint)['name'][0]}: " in problem_with(load_checkpoint, checkpoint)


def test_every_tensor_that_does_not_fit_is_listed(checkpoint):
    def change(rows):
        rows[0]["name"] = "stranger"
        rows[1]["shape"] = [4, 32]
        rows[2]["values"][0] = float("nan")
        rows[3]["values"][0] = float("inf")
        rows[4]["values"].pop()
        del rows[5]

    names = list(initial_policy(TINY, 0).state_dict())
    rewritten(checkpoint, change)
    problem = problem_with(load_checkpoint, checkpoint)
    assert str(checkpoint) in problem
    assert "tensor stranger: expected shape none, got" in problem
    for name in names[:6]:
        assert f"tensor {name}: expected" in problem
    assert f"tensor {names[5]}: expected shape (24,), got none" in problem
    assert names[6] not in problem


# Tables


def test_a_failed_write_leaves_the_old_file_and_nothing_else(checkpoint, monkeypatch):
    before = checkpoint.read_bytes()

    def fail_half_way(_, path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(tables.pq, "write_table", fail_half_way)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(initial_policy(TINY, seed=1), checkpoint, provenance(SETTINGS, "code"))
    assert checkpoint.read_bytes() == before
    assert files_in(checkpoint.parent) == [checkpoint.name]


def test_a_write_replaces_the_old_file(checkpoint):
    save_checkpoint(initial_policy(TINY, seed=1), checkpoint, provenance(SETTINGS, "code"))
    read, _ = load_checkpoint(checkpoint)
    assert torch.equal(read.position_embedding, initial_policy(TINY, seed=1).position_embedding)
    assert files_in(checkpoint.parent) == [checkpoint.name]


def example(schema, nulls=False):
    """A row that fits the schema, its nullable columns empty if asked."""

    def value(column):
        if nulls and column.nullable:
            return None
        if pa.types.is_list(column.type):
            return [1] * (column.length or 8)
        if column.allowed:
            return column.allowed[0]
        return {"int64": 1, "double": 1.0, "bool": True}.get(str(column.type), "text")

    return {key: value(column) for key, column in schema.columns.items()}


EVERY_SCHEMA = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


@pytest.mark.parametrize("nulls", [False, True])
@EVERY_SCHEMA
def test_every_table_gives_back_its_rows(tmp_path, schema, nulls):
    rows = [example(schema), example(schema, nulls)]
    write_table(rows, schema, tmp_path / "folder" / "table.parquet", provenance(SETTINGS, "code"))
    table = read_table(tmp_path / "folder" / "table.parquet", schema)
    assert table.to_pylist() == rows
    assert table.schema.equals(schema.arrow)
    assert metadata_of(table.schema, "")["settings"] == SETTINGS


@EVERY_SCHEMA
def test_a_table_without_rows_keeps_its_schema(tmp_path, schema):
    write_table([], schema, tmp_path / "table.parquet", provenance(SETTINGS, "code"))
    assert read_table(tmp_path / "table.parquet", schema).num_rows == 0


@pytest.mark.parametrize(
    ("name", "column", "value", "shown"),
    [
        ("finetuned/success", "success_rate", 1.25, "1.25"),
        ("finetuned/success", "outcome_counts", [1, 2, 3], "[1, 2, 3]"),
        ("finetuned/success", "n_contexts", 0, "0"),
        ("finetuned/measured", "estimator", "guess", "guess"),
        ("finetuned/measured", "op", 2.5, "2.5"),
        ("finetuned/measured", "imp", -0.5, "-0.5"),
        ("finetuned/measured", "imp", None, "nan"),
        ("finetuned/actions", "action", 16, "16"),
        ("pretrained/training", "step", 0, "0"),
        ("summary/policies", "n_good", 8, "8"),
        ("checkpoint", "dtype", "float64", "float64"),
    ],
)
def test_a_row_that_breaks_the_schema_is_refused_by_column_and_value(tmp_path, name, column, value, shown):
    path = tmp_path / "table.parquet"
    schema = SCHEMAS[name]
    problem = problem_with(write_table, [example(schema) | {column: value}], schema, path, {})
    assert f"{path}: not a valid '{name}' table" in problem
    assert f"{column}: " in problem
    assert f"got {shown}" in problem
    assert files_in(tmp_path) == []


def test_every_column_that_breaks_the_schema_is_listed(tmp_path):
    row = example(SUCCESS) | {"success_rate": 2.0, "n_contexts": -1}
    problem = problem_with(write_table, [row], SUCCESS, tmp_path / "table.parquet", {})
    assert "success_rate: " in problem
    assert "n_contexts: " in problem


@pytest.mark.parametrize(
    ("column", "value"),
    [("n_contexts", "many"), ("n_contexts", None), ("n_contexts", 1.5), ("success_rate", "high")],
)
def test_a_value_of_another_type_is_refused_by_column_and_value(tmp_path, column, value):
    row = example(SUCCESS) | {column: value}
    problem = problem_with(write_table, [row], SUCCESS, tmp_path / "table.parquet", {})
    assert f"{column}: " in problem


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_row_without_a_column_is_refused_by_its_name(tmp_path, as_frame):
    rows = [{key: value for key, value in example(SUCCESS).items() if key != "chance"}]
    problem = problem_with(
        write_table, pd.DataFrame(rows) if as_frame else rows, SUCCESS, tmp_path / "table.parquet", {}
    )
    assert "chance" in problem


@pytest.mark.parametrize("name", ["finetuned/actions", "finetuned/measured"])
def test_pandas_reads_a_folder_with_its_keys_as_columns(tmp_path, name):
    keys = [("good2", "18k", 0), ("good4", "18k", 0), ("good4", "51k", 3)]
    for task, size, seed in keys:
        path = finetuned_table(str(tmp_path), name.rpartition("/")[2], task, size, seed)
        write_table([example(SCHEMAS[name])] * 2, SCHEMAS[name], path, provenance(SETTINGS, "code"))
    frame = pd.read_parquet(tmp_path / name)
    assert [*frame.columns] == [*SCHEMAS[name].columns, "task", "size", "seed"]
    found = frame[["task", "size", "seed"]].drop_duplicates().astype({"seed": int}).astype(object)
    assert sorted(map(tuple, found.to_numpy().tolist())) == keys
    assert len(frame) == 6


# Chains


def test_chains_give_back_their_tokens(tmp_path):
    chains = Recurrence(0.02).generate_chains(20, 41, np.random.default_rng(0))
    write_chains(chains, tmp_path / "train.parquet", provenance(SETTINGS, "code"))
    read = read_chains(tmp_path / "train.parquet")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, chains)


@pytest.mark.parametrize(("column", "token"), [(0, 8), (1, 7), (1, 16), (40, 255)])
def test_chains_of_the_wrong_parity_are_refused(tmp_path, column, token):
    chains = Recurrence(0.02).generate_chains(20, 41, np.random.default_rng(0))
    chains[13, column] = token
    write_chains(chains, tmp_path / "train.parquet", {})
    problem = problem_with(read_chains, tmp_path / "train.parquet")
    assert f"{tmp_path / 'train.parquet'}: expected tokens 0..7 at even and 8..15 at odd positions" in problem


def test_chains_of_several_lengths_are_refused(tmp_path):
    path = tmp_path / "train.parquet"
    write_table([{"chain": i, "tokens": [0, 8] * (i + 1)} for i in range(2)], CHAINS, path, {})
    assert f"{path}: expected chains of one length, got lengths [2, 4]" in problem_with(read_chains, path)


# Edited tables

ROWS = pa.table(
    {
        "name": pa.array(["ab", "c", None, "d"]),
        "count": pa.array([1, 2, None, 4], pa.int64()),
        "rate": pa.array([0.0, None, math.nan, 1.0]),
        "good": pa.array([True, False, True, None]),
        "shares": pa.array([[1.0], [2.0, 3.0], [], None], pa.list_(pa.float64())),
    }
)


def with_column(name, values):
    index = ROWS.schema.get_field_index(name)
    return ROWS.set_column(index, ROWS.schema.field(name), pa.array(values, ROWS.schema.field(name).type))


EDITS = {
    "a text": with_column("name", ["ab", "c", None, "e"]),
    "a letter moved to the next text": with_column("name", ["a", "bc", None, "d"]),
    "an empty text for a missing one": with_column("name", ["ab", "c", "", "d"]),
    "a text for a missing one": with_column("name", ["ab", None, "c", "d"]),
    "a number": with_column("count", [1, 2, None, 5]),
    "0 for a missing number": with_column("count", [1, 2, 0, 4]),
    "a missing number": with_column("count", [1, None, None, 4]),
    "another missing number": with_column("count", [1, None, 2, 4]),
    "a last bit": with_column("rate", [0.0, None, math.nan, 1.0 + 2**-52]),
    "the sign of zero": with_column("rate", [-0.0, None, math.nan, 1.0]),
    "NaN for a number": with_column("rate", [math.nan, None, math.nan, 1.0]),
    "NaN for a missing number": with_column("rate", [0.0, math.nan, math.nan, 1.0]),
    "a missing number for NaN": with_column("rate", [0.0, None, None, 1.0]),
    "a truth": with_column("good", [True, True, True, None]),
    "an untruth for a missing one": with_column("good", [True, False, True, False]),
    "an element": with_column("shares", [[1.0], [2.0, 4.0], [], None]),
    "an element moved to the next list": with_column("shares", [[1.0, 2.0], [3.0], [], None]),
    "an element more": with_column("shares", [[1.0], [2.0, 3.0], [4.0], None]),
    "a missing element": with_column("shares", [[1.0], [2.0, None], [], None]),
    "an empty list for a missing one": with_column("shares", [[1.0], [2.0, 3.0], [], []]),
    "a row more": pa.concat_tables([ROWS, ROWS.slice(0, 1)]),
    "a row fewer": ROWS.slice(1),
    "no row": ROWS.slice(0, 0),
    "rows in another order": ROWS.take([1, 0, 2, 3]),
    "columns in another order": ROWS.select(["count", "name", "rate", "good", "shares"]),
    "a column fewer": ROWS.drop_columns("good"),
    "a column more": ROWS.append_column("more", pa.array([1, 2, 3, 4])),
    "a column of another name": ROWS.rename_columns(["names", "count", "rate", "good", "shares"]),
    "names of two columns swapped": ROWS.rename_columns(["name", "rate", "count", "good", "shares"]),
    "a column of another type": ROWS.set_column(1, "count", ROWS["count"].cast(pa.int32())),
    "numbers as fractions": ROWS.set_column(1, "count", ROWS["count"].cast(pa.float64())),
    "elements of another type": ROWS.set_column(4, "shares", ROWS["shares"].cast(pa.list_(pa.float32()))),
}


@pytest.mark.parametrize("edited", EDITS.values(), ids=EDITS)
def test_an_edit_changes_the_checksum(edited):
    assert checksum(edited) != checksum(ROWS)


WRITING = st.fixed_dictionaries(
    {
        "compression": st.sampled_from(["none", "snappy", "gzip", "zstd"]),
        "use_dictionary": st.booleans(),
        "row_group_size": st.integers(1, 5),
        "version": st.sampled_from(["1.0", "2.4", "2.6"]),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "store_schema": st.booleans(),
        "use_compliant_nested_type": st.booleans(),
        "write_statistics": st.booleans(),
    }
)
PIECES = st.lists(st.integers(0, 4), max_size=3).map(sorted)


@settings(deadline=None, max_examples=50)
@given(WRITING, PIECES)
def test_neither_encoding_nor_pieces_change_the_checksum(writing, cuts):
    pieces = [ROWS.slice(start, end - start) for start, end in pairwise([0, *cuts, 4])]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.concat_tables(pieces), sink, **writing)
    assert checksum(pq.read_table(pa.BufferReader(sink.getvalue()))) == checksum(ROWS)


def test_the_checksum_is_the_same_wherever_and_with_whatever_version_it_is_taken():
    assert checksum(ROWS) == "a4b10041ac59365b65f6cffa037da62307ed2bee0c4aeb1fc7314de928668c49"


def edited(path, change):
    """Change the rows of a table, and keep its metadata."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[0].update(success_rate=0.5),
        lambda rows: rows[0].update(success_rate=math.nan),
        lambda rows: rows[0]["outcome_counts"].reverse(),
        lambda rows: rows.append(rows[0]),
        lambda rows: rows.clear(),
    ],
)
def test_an_edited_table_is_refused_with_the_remedy(tmp_path, change):
    path = tmp_path / "success.parquet"
    write_table([example(SUCCESS) | {"outcome_counts": range(8)}], SUCCESS, path, provenance(SETTINGS, "code"))
    edited(path, change)
    problem = problem_with(read_table, path, SUCCESS)
    assert problem == (
        f"{path}: its values are not those that it was written with, so they were edited. "
        "Delete the file and rerun snakemake to recreate it"
    )


def test_a_table_that_pandas_wrote_anew_is_refused(tmp_path):
    path = tmp_path / "success.parquet"
    write_table([example(SUCCESS)], SUCCESS, path, provenance(SETTINGS, "code"))
    pd.read_parquet(path).to_parquet(path)
    assert str(path) in problem_with(read_table, path, SUCCESS)


def test_a_table_of_an_earlier_version_is_refused(tmp_path):
    path = tmp_path / "success.parquet"
    write_table([example(SUCCESS)], SUCCESS, path, provenance(SETTINGS, "code"))
    metadata = {METADATA_KEY: json.dumps(provenance(SETTINGS, "code"))}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)
    problem = problem_with(read_table, path, SUCCESS)
    assert f"{path}: carries no checksum, so an older version of this workflow made it. Delete the file" in problem


@EVERY_SCHEMA
def test_every_table_is_written_with_the_checksum_that_it_is_read_with(tmp_path, schema):
    path = tmp_path / "table.parquet"
    write_table([example(schema, nulls=True), example(schema)], schema, path, provenance(SETTINGS, "code"))
    table = read_table(path, schema)
    assert metadata_of(table.schema, path)["checksum"] == checksum(table)


# Processors


def test_a_table_names_the_processor_and_where_torch_runs_its_instructions(monkeypatch):
    alone = provenance(SETTINGS, "code")["processor"]
    with_torch = provenance(SETTINGS, "code", packages=["torch"], device="cpu")["processor"]
    assert alone["processor"]
    assert with_torch == alone | {"instruction set": torch.backends.cpu.get_cpu_capability()}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A GPU")
    on_cuda = provenance(SETTINGS, "code", packages=["torch"], device="cuda")["processor"]
    assert on_cuda == with_torch | {"GPU": "A GPU"}


def test_versions_and_processors_are_told_together_as_far_as_a_table_names_them():
    assert made_with({"versions": {"torch": "3"}, "processor": {"processor": "A"}}) == {"torch": "3", "processor": "A"}
    assert made_with({"versions": {"torch": "3"}}) == {"torch": "3"}  # as earlier versions had it
