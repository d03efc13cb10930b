"""The command line: help everywhere, 2 for wrong usage, 1 with one line for a failure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tracker import cli

COMMANDS = [
    "tick",
    "fetch",
    "analyze",
    "publish",
    "deliver",
    "backfill",
    "seal",
    "replay",
    "read",
    "simulate",
    "mailbox",
    "up",
    "doctor",
]


def run(*arguments: str, folder=None, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRACKER_")}
    command = [sys.executable, "-m", "tracker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env={**kept, **environment})


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_contract_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main([command, "--help"])
    assert left.value.code == 0
    assert f"tracker {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["fetch", "--minute", "yesterday"], "'yesterday' is not ISO 8601"),
        (["fetch", "--minute", "2026-01-01T00:00:30Z"], "is not a whole minute"),
        (["backfill", "--start", "2026-01-02", "--end", "2026-01-01"], "is not before --end"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments, says, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert says in capsys.readouterr().err


def test_a_wrong_setting_ends_with_1_and_one_line(tmp_path):
    result = run("analyze", folder=tmp_path, TRACKER_STORE_ULR="x")
    assert result.returncode == 1
    assert result.stderr == "tracker analyze: unknown setting TRACKER_STORE_ULR; did you mean TRACKER_STORE_URL?\n"


def test_help_is_quick_because_nothing_heavy_is_imported():
    heavy = "{'pyarrow', 'duckdb', 'pandas', 'requests', 'jinja2', 'obstore', 'rich'} & sys.modules.keys()"
    code = f"import sys; from tracker import cli; cli._parser(); assert not {heavy}, {heavy}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
