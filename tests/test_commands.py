"""``python -m sweep``: its commands, one for each target of that name in the Makefile."""

import re
import subprocess

import pytest

from conftest import ROOT

COMMANDS = ["watch", "verify", "adopt", "publish", "reference"]


def test_every_command_is_listed_and_explains_itself(workspace):
    listed = workspace.sweep("--help")
    assert listed.status == 0
    for command in COMMANDS:
        assert re.search(rf"^    {command}\b", listed.stdout, re.MULTILINE)
        helped = workspace.sweep(command, "--help")
        assert (helped.status, helped.stderr) == (0, "")
        assert f"python -m sweep {command}" in helped.stdout


@pytest.mark.parametrize("arguments", [(), ("wach",)])
def test_no_command_or_a_misspelt_one_is_refused(workspace, arguments):
    refused = workspace.sweep(*arguments)
    assert refused.status == 2
    assert "Traceback" not in refused.stderr
    assert "watch" in refused.stderr or "COMMAND" in refused.stderr


@pytest.mark.parametrize("command", ["watch", "verify", "adopt"])
def test_a_mistake_of_the_user_is_one_message(workspace, command):
    refused = workspace.sweep(command, "--configfile", "missing.yaml")
    assert refused.status == 1
    assert refused.stderr.startswith("error: ")
    assert "missing.yaml" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("target", COMMANDS)
def test_makes_targets_run_the_commands(target):
    lines = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert any(f"PYTHONPATH=workflow_scripts .venv/bin/python -m sweep {target}" in line for line in lines)
