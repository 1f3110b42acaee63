"""Tables explain themselves: every column in the documentation and in the files, sizes in their order, CSV beside."""

import csv
import io
import json
import re

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, SCHEMAS
from sweep.commands.reference import tables_page
from sweep.layout import csv_beside, finetuned_table, summary_table
from sweep.provenance import checksum, provenance
from sweep.schemas.measure import MEASURED
from sweep.schemas.summary import SUMMARY
from sweep.summary_files import as_csv, write_summary
from sweep.tables import read_table, write_table
from test_tables import EVERY_SCHEMA, example

MADE_BY = provenance({}, "code")
SIZES = ["18k", "51k", "143k", "402k"]
METHOD = (ROOT / "docs/method.md").read_text(encoding="utf-8")

# The dictionary


def test_the_page_is_that_of_the_schemas():
    page = (ROOT / "docs/tables.md").read_text(encoding="utf-8")
    assert page == tables_page(), "make it with `make reference`"
    for schema in SCHEMAS.values():
        _, _, section = page.partition(f"\n### {schema.name}\n")
        rows = re.findall(r"^\| `(\w+)`", section.partition("\n### ")[0], re.MULTILINE)
        assert rows == list(schema.columns)


@EVERY_SCHEMA
def test_every_column_is_explained(schema):
    sections = set(re.findall(r"^(?:## (\d+)\.|\*\*(\d+\.\d+) )", METHOD, re.MULTILINE))
    sections = {"".join(section) for section in sections}
    for name, column in schema.columns.items():
        assert isinstance(column.meaning, str), name
        assert re.fullmatch(r"\S.{3,}[^.\s]", column.meaning), name
        assert not column.section or column.section in sections, name
        if re.match(r"(op|imp|entropy|meg)(_|$)(?!.*(ratio|reason))", name) or name.endswith("_loss"):
            assert column.unit == "nats", name


@pytest.mark.parametrize(
    ("table", "column", "metadata"),
    [
        (
            "summary/policies",
            "imp_ratio",
            {
                "description": "imp divided by imp_minimum; missing where that is 0 or missing",
                "range": "at least 0; may be missing",
                "section": "5.5",
            },
        ),
        (
            "finetuned/self_estimate",
            "op",
            {
                "description": "Op, optimization: the mean entropy of F' minus the entropy of F",
                "unit": "nats",
                "range": "from -ln 16 to ln 16",
                "section": "4.2",
            },
        ),
        (
            "finetuned/measured",
            "estimator",
            {
                "description": "how outcomes are obtained: with the noise summed out, or by one sample per window and "
                "action",
                "range": "exact, monte_carlo",
                "section": "4.4",
            },
        ),
        (
            "summary/fits",
            "r_squared",
            {"description": "R², the squared correlation", "range": "from 0 to 1; may be missing"},
        ),
        ("manifest", "path", {"description": "path of the table, relative to the results folder"}),
    ],
)
def test_a_field_of_a_file_says_what_it_means(tmp_path, table, column, metadata):
    path = tmp_path / "table.parquet"
    write_table([example(SCHEMAS[table])], SCHEMAS[table], path, MADE_BY)
    found = pq.read_schema(path).field(column).metadata
    assert {key.decode(): text.decode() for key, text in found.items()} == metadata


@EVERY_SCHEMA
def test_every_field_of_every_file_is_described(tmp_path, schema):
    path = str(tmp_path / "table.parquet")
    write = write_summary if schema.name.startswith("summary/") else write_table
    write([example(schema)], schema, path, MADE_BY)
    assert all(field.metadata[b"description"] for field in pq.read_schema(path))


@EVERY_SCHEMA
def test_a_table_of_an_earlier_version_is_read_as_before(tmp_path, schema):
    """Its fields have no descriptions, and checksums are the same with and without them."""
    new, old = str(tmp_path / "new.parquet"), str(tmp_path / "old.parquet")
    write = write_summary if schema.name.startswith("summary/") else write_table
    write([example(schema)], schema, new, MADE_BY)
    written = pq.read_schema(new)
    assert checksum(pq.read_table(new)) == json.loads(written.metadata[b"splithistory"])["checksum"]
    plain = pa.schema([(name, column.type) for name, column in schema.columns.items()], written.metadata)
    pq.write_table(pa.Table.from_pylist([example(schema)], schema=plain), old)
    assert read_table(old, schema).equals(read_table(new, schema))
    both = pa.concat_tables([read_table(old, schema), read_table(new, schema)])  # as a summary of a mixed folder does
    assert both.num_rows == 2


# Sizes in their order


@pytest.fixture
def results(tmp_path):
    """Summary tables and 'measured' folders of four sizes, which the configuration has in no order."""
    rows = [
        example(SUMMARY["policies"]) | {"task": task, "size": size, "seed": seed, "op": seed / 10}
        for task in ("good2", "good4")
        for size in ("402k", "18k", "143k", "51k")
        for seed in range(2)
    ]
    write_summary(rows, SUMMARY["policies"], summary_table(str(tmp_path), "policies"), MADE_BY, SIZES)
    for row in rows:
        path = finetuned_table(str(tmp_path), "measured", row["task"], row["size"], row["seed"])
        write_table([example(MEASURED)] * 3, MEASURED, path, MADE_BY)
    return tmp_path


def test_pandas_has_sizes_in_the_order_of_their_parameters(results):
    policies = pd.read_parquet(results / "summary/policies.parquet")
    assert policies["size"].cat.ordered
    assert list(policies["size"].cat.categories) == SIZES
    assert list(policies.groupby("size")["op"].mean().index) == SIZES
    assert list(policies.groupby(["task", "size"])["op"].mean().loc["good4"].index) == SIZES
    assert list(policies.pivot_table(index="size", columns="task", values="op").index) == SIZES
    assert list(policies.sort_values("size")["size"].unique()) == SIZES
    assert set(policies[policies["size"] <= "51k"]["size"]) == {"18k", "51k"}
    assert (policies["size"] == "143k").sum() == 4


def test_folders_take_the_order_of_a_summary_table_as_the_page_says(results):
    policies = pd.read_parquet(results / "summary/policies.parquet")
    measured = pd.read_parquet(results / "finetuned/measured")
    assert list(measured["size"].cat.categories) == sorted(SIZES)  # what pandas makes of the names of folders
    ordered = measured.astype({"size": policies["size"].dtype})
    assert list(ordered.groupby("size")["op"].mean().index) == SIZES
    merged = ordered.merge(policies, on=["task", "size"])
    assert list(merged.groupby("size").size().index) == SIZES


@pytest.mark.parametrize("how", ["inner", "left", "right", "outer"])
def test_pandas_merges_summary_tables_and_folders(results, how):
    policies = pd.read_parquet(results / "summary/policies.parquet").astype({"seed": str})
    measured = pd.read_parquet(results / "finetuned/measured").astype({"seed": str})
    for left, right in ((policies, measured), (measured, policies)):
        merged = left.merge(right, on=["task", "size", "seed"], how=how, validate=None)
        assert len(merged) == 48
        assert merged[["op_x", "op_y"]].notna().all().all()
        assert sorted(merged["size"].unique()) == sorted(SIZES)


def test_duckdb_and_arrow_join_summary_tables_and_folders(results):
    policies, measured = results / "summary/policies.parquet", results / "finetuned/measured"
    joined = duckdb.sql(
        f"SELECT p.size, count(*) FROM '{policies}' p "
        f"JOIN read_parquet('{measured}/**/*.parquet', hive_partitioning = true) m USING (task, size, seed) "
        "WHERE p.size = '18k' GROUP BY ALL"
    ).fetchall()
    assert joined == [("18k", 12)]
    keys = ["task", "size"]
    tables = [pq.read_table(path).select([*keys, "op"]) for path in (policies, measured)]
    assert tables[0].join(tables[1], keys, right_suffix="_measured").num_rows == 2 * 48


def test_polars_joins_them_as_the_page_says(results):
    pl = pytest.importorskip("polars")
    policies = pl.read_parquet(results / "summary/policies.parquet").cast({pl.Categorical: pl.String})
    measured = pl.read_parquet(results / "finetuned/measured/**/*.parquet", hive_partitioning=True)
    assert policies.join(measured, on=["task", "size", "seed"]).height == 48


def test_sizes_are_texts_to_the_workflow_itself(results):
    table = read_table(results / "summary/policies.parquet", SUMMARY["policies"])
    assert table.schema.equals(SUMMARY["policies"].arrow)
    assert table["size"].to_pylist()[:4] == ["402k", "402k", "18k", "18k"]


def test_a_size_without_policies_keeps_its_place(tmp_path):
    path = summary_table(str(tmp_path), "policies")
    rows = [example(SUMMARY["policies"]) | {"size": "143k"}]
    write_summary(rows, SUMMARY["policies"], path, MADE_BY, SIZES)
    assert list(pd.read_parquet(path)["size"].cat.categories) == SIZES
    write_summary([], SUMMARY["policies"], path, MADE_BY, SIZES)
    assert read_table(path, SUMMARY["policies"]).num_rows == 0


def test_a_size_that_has_no_place_is_an_error(tmp_path):
    rows = [example(SUMMARY["policies"]) | {"size": "new"}]
    with pytest.raises(KeyError, match="new"):
        write_summary(rows, SUMMARY["policies"], summary_table(str(tmp_path), "policies"), MADE_BY, SIZES)


# CSV


def read_csv(content, schema):
    """Read the rows of a CSV file, given which columns are lists."""
    frame = pd.read_csv(io.BytesIO(content))
    for name, column in schema.columns.items():
        if pa.types.is_list(column.type):
            frame[name] = [None if pd.isna(text) else json.loads(text) for text in frame[name]]
    rows = frame.astype(object).to_dict("records")
    return [{key: None if isinstance(v, float) and np.isnan(v) else v for key, v in row.items()} for row in rows]


@pytest.mark.parametrize("schema", [*SUMMARY.values(), SCHEMAS["summary/generator"]], ids=lambda schema: schema.table)
def test_a_csv_is_read_back_as_its_table(tmp_path, schema):
    path = tmp_path / "table.parquet"
    rows = [example(schema), example(schema, nulls=True), example(schema)]
    write_summary(rows, schema, path, MADE_BY, ["text"])
    content = (tmp_path / "table.csv").read_bytes()
    assert csv_beside(str(path)) == str(tmp_path / "table.csv")
    assert read_csv(content, schema) == rows == read_table(path, schema).to_pylist()


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "number": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "numbers": st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False)),
                "text": st.none() | st.text(st.characters(exclude_categories=["C", "Z"])).map(lambda text: f"'{text}'"),
            }
        ),
        min_size=1,
    )
)
def test_a_csv_keeps_every_bit_of_numbers_and_every_letter_of_texts(rows):
    columns = {"number": pa.float64(), "numbers": pa.list_(pa.float64()), "text": pa.string()}
    content = as_csv(pa.Table.from_pylist(rows, schema=pa.schema(columns))).decode()
    read = {"number": float, "numbers": json.loads, "text": str}
    found = [
        {name: read[name](text) if text else None for name, text in line.items()}
        for line in csv.DictReader(io.StringIO(content, newline=""))
    ]
    assert found == rows
