"""Names of sizes and tasks come back from the tables as the text they are, or are refused."""

import io
import re

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from snakemake.io import PeriodicityDetector

from sweep.configuration.names import unusable
from sweep.words import RESERVED

# What readers of folders, of CSV or of YAML take for something else than text, and what looks as if they did.
MISREAD = (
    *("18000", "51000", "0", "00", "007", "0x10", "0b101", "0o17", "1_000", "1e5", "1E5", "1e-5", "1.2e5", "1.", "1.0"),
    *("9" * 30, "1e400", "inf", "Infinity", "2024", "20240101", "2024-01-01", "2024-1-1", "2024.01.01", "1-2-3"),
    *("01-02-2024", "1.5.2", "epoch", "null", "NULL", "NA", "nan", "NaN", "None", "true", "False", "yes", "Off"),
)
PLAIN = (
    *("18k", "51k", "1M", "0.5B", "good2", "v1.5", "A_b-c", "2x", "3-layer", "1-2b", "10-head", "0a", "1e3k", "1e_5"),
    *("a", "t", "nano", "nullable", "infer", "trueish", "allowed", "nonesuch", "all2", "1-1000", "e5", "x" * 19),
)
NAMES = st.sampled_from(MISREAD + PLAIN) | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}", fullmatch=True)
NUMBERLIKE = st.text("0123456789eExX_.-abdfnNi", min_size=1, max_size=10).filter(lambda name: name[0] not in "_.-")


@pytest.mark.parametrize("name", MISREAD)
def test_names_that_are_taken_for_something_else_are_refused(name):
    assert unusable(name)


@pytest.mark.parametrize("name", PLAIN)
def test_other_names_can_be_used(name):
    assert unusable(name) is None


def read_back(folder, name):
    """Read a name that is a folder with each reader, and the name from CSV and YAML."""
    path = folder / f"size={name}" / "seed=0"
    path.mkdir(parents=True)
    pq.write_table(pa.table({"value": [1]}), path / "part-0.parquet")
    pattern = f"{path.parents[1]}/size={name}/**/*.parquet"
    return {
        "pandas": pd.read_parquet(path.parents[1])["size"].astype(object).iloc[0],
        "arrow": ds.dataset(path.parents[1], partitioning="hive").to_table()["size"][0].as_py(),
        "duckdb": duckdb.sql(f"SELECT size FROM read_parquet('{pattern}', hive_partitioning = true)").fetchall()[0][0],
        "csv": pd.read_csv(io.StringIO(f"size\n{name}\n"))["size"].iloc[0],
        "yaml": yaml.safe_load(name),
    }


@settings(max_examples=60, deadline=None)
@given(NAMES | NUMBERLIKE)
@example("18k")
def test_names_that_can_be_used_come_back_as_text(tmp_path_factory, name):
    if unusable(name) is None:
        assert read_back(tmp_path_factory.mktemp("names"), name) == dict.fromkeys(
            ("pandas", "arrow", "duckdb", "csv", "yaml"), name
        )


@pytest.mark.parametrize("word", RESERVED)
def test_words_of_the_tables_are_no_names_however_they_are_spelt(word):
    for name in (word, word.upper(), word.capitalize()):
        assert unusable(name).startswith("stands for")


@given(st.text("ab", min_size=1, max_size=4), st.integers(1, 64), st.text("abc", max_size=3))
def test_snakemake_takes_no_usable_name_for_a_rule_without_end(part, times, tail):
    name = (part * times + tail)[:64]
    if PeriodicityDetector().is_periodic(name) is not None:
        assert re.match(r"ends with '\w+' 20 times or more", unusable(name))
    else:
        assert unusable(name) is None


def test_seeds_come_back_as_numbers(tmp_path):
    for seed in (0, 8, 10, 2024, 20240101, 2**31 - 1):
        path = tmp_path / str(seed) / f"seed={seed}"
        path.mkdir(parents=True)
        pq.write_table(pa.table({"value": [1]}), path / "part-0.parquet")
        found = pd.read_parquet(path.parent)["seed"].astype("int64").iloc[0]
        pattern = f"{path.parent}/**/*.parquet"
        by_duckdb = duckdb.sql(f"SELECT seed FROM read_parquet('{pattern}', hive_partitioning = true)").fetchall()[0][0]
        assert found == by_duckdb == seed
