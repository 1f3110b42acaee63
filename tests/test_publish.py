"""What is published of a sweep."""

import re

import pandas as pd
import pytest

from sweep.schemas.summary import SUMMARY


def publish(workspace, folder, *options):
    return workspace.sweep("publish", "--configfile", "config/tiny.yaml", "--folder", folder, *options)


def test_a_finished_sweep_is_published_and_takes_the_place_of_an_earlier_one(finished, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.svg").touch()
    (tmp_path / "README.md").touch()
    done = publish(finished, tmp_path)
    assert done.status == 0, done.stderr
    published = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    for name in (*SUMMARY, "generator"):
        for suffix in ("csv", "parquet"):
            file = f"summary/{name}.{suffix}"
            assert (tmp_path / file).read_bytes() == (finished.results / file).read_bytes()
    jobs = pd.read_csv(tmp_path / "jobs.csv")
    assert (jobs["rule"] == "finetune").sum() == 4
    assert jobs[["seconds", "end"]].notna().all().all()
    assert {"README.md", "report.html", "schedule.svg", "configuration.yaml", "figures/op_vs_success.svg"} <= published
    assert "figures/old.svg" not in published
    links = re.findall(r'href="([^"#:]+)"', (tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "figures/op_vs_success.png" in links
    assert set(links) <= published
    assert not any("checkpoint" in path for path in published)


def test_tables_may_be_published_with_few_figures(finished, tmp_path):
    done = publish(finished, tmp_path, "--tables-only", "--figures", "op_vs_success", "imp_vs_minimum")
    assert done.status == 0, done.stderr
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert files >= {f"summary/{name}.parquet" for name in (*SUMMARY, "generator")}
    assert {path for path in files if not path.endswith(".parquet")} == {
        *("configuration.yaml", "jobs.csv", "figures/op_vs_success.svg", "figures/imp_vs_minimum.svg")
    }
    assert not any("bootstrap" in path for path in files)
    for name in ("finetuned/measured", "finetuned/self_estimate"):
        assert [path for path in files if path.startswith(name)] == [f"{name}/part-0.parquet"]
        published, made = (pd.read_parquet(folder / name) for folder in (tmp_path, finished.results))
        pd.testing.assert_frame_equal(published.astype({"seed": int}), made.astype({"seed": int}))


@pytest.mark.parametrize("name", ["report.html", "summary/claims.parquet", "summary/generator.csv"])
def test_an_unfinished_sweep_is_not_published(copied, name):
    (copied.results / name).unlink()
    folder = copied.folder / "published"
    done = publish(copied, folder)
    assert done.status == 1
    assert f"error: results/tiny is not finished: 1 files are missing, such as {name}" in done.stderr
    assert not folder.exists()
