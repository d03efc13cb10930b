"""The command line: help everywhere, 2 for wrong usage, 1 with one line for a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests.support.samples import table
from tracker import cli
from tracker.model import HOUR, MINUTE, whole_hour, whole_minute
from tracker.outbox import ObjectOutbox
from tracker.store import ParquetStore

HEAVY = {"airflow", "duckdb", "jinja2", "obstore", "pandas", "pyarrow.compute", "pyarrow.dataset", "requests", "rich"}
HEAVY |= {"tracker.site"}
COMMANDS = [
    "tick",
    "fetch",
    "analyze",
    "publish",
    "deliver",
    "backfill",
    "seal",
    "replay",
    "rules",
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
        (["read", "--start", "0202-01-01"], "is not in the years 2000 to 2099"),
        (["read", "--end", "9999-12-31T23:59Z"], "is not in the years 2000 to 2099"),
        (["simulate", "--ahead", "9" * 15], "is not a number of minutes"),
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


def test_a_store_that_cannot_be_ends_with_1_and_one_line(tmp_path):
    for store in ("gs://bucket", "s3://[", "~nobody-of-this-name/x"):
        result = run("read", "--store", store, folder=tmp_path)
        assert (result.returncode, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert result.stderr.startswith("tracker read: the store")


def test_a_file_that_cannot_be_written_ends_with_1_and_one_line(tmp_path):
    result = run("replay", "--start", "2026-03-01", "--end", "2026-03-02", "--html", "no/such.html", folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "tracker replay: [Errno 2] No such file or directory: 'no/such.html'\n"


def test_a_tick_whose_exchange_is_away_says_so_on_the_page_all_the_same(tmp_path):
    watched = tmp_path / "watched.json"
    watched.write_text('{"markets": {"coinbase": ["BTC-USD"]}, "metrics": ["price"]}')
    nobody = {"TRACKER_COINBASE_URL": "http://127.0.0.1:1", "TRACKER_METRICS": str(watched)}
    result = run("tick", folder=tmp_path, **nobody)
    assert result.returncode == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("tracker tick, fetch: ")
    assert "delivered 0 mails" in result.stdout
    assert "127.0.0.1" in (tmp_path / "data/site/status.html").read_text()


def imported_of(names: set[str], *arguments: str, **environment: str) -> str:
    """Run a command in a process and say which of some modules it imported."""
    code = """
import sys
from datetime import UTC, datetime
from tracker import cli
try:
    code = cli.main(sys.argv[2:])
except SystemExit as end:
    code = end.code
assert code == 0
print(sorted(set(sys.argv[1].split()) & sys.modules.keys()))
"""
    command = [sys.executable, "-c", code, " ".join(names), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return done.stdout.splitlines()[-1]


def test_help_is_quick_because_nothing_heavy_is_imported():
    assert imported_of(HEAVY | {"numpy", "pyarrow"}, "--help") == "[]"


def test_an_analyze_that_fires_and_mails_imports_no_more_than_it_needs(tmp_path):
    """It is a process each minute where there is no Airflow: half of its time were imports."""
    store, end = ParquetStore(str(tmp_path / "store")), whole_minute(datetime.now(UTC)) - MINUTE  # noqa: TID251
    for n in range(90):
        minute = end - (89 - n) * MINUTE
        store.write_minute(minute, "coinbase", table({minute: 400.0 if minute == end else 100.0}))
    store.seal(whole_hour(end - HOUR))
    store.write_report(end, "fetch", {"late": False, "feeds": []})
    own = {"TRACKER_STORE_URL": str(tmp_path / "store"), "TRACKER_MAIL_TO": "ann@example.com"}
    own["AIRFLOW_CONN_SMTP_DEFAULT"] = "smtp://127.0.0.1:1"
    assert imported_of(HEAVY, "analyze", "--minute", end.isoformat(), **own) == "[]"
    assert len(ObjectOutbox(own["TRACKER_STORE_URL"]).pending(end)) == 1


def test_rules_check_explains_each_rule_and_names_its_nearest_miss(tmp_path):
    rules = tmp_path / "r.toml"
    rules.write_text('[[rule]]\nname = "calm"\nmetric = "price"\nfactor = 2\nrecipients = ["ann@example.com"]\n')
    result = run("rules", "check", "--rules", str(rules), folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    for said in (
        "calm watches the price of every market",
        "The smallest jump from a flat level that fires is to just over 2 times",
        "never above for more than 30 minutes",
        "It tells ann@example.com.",
        "it would have fired 0 times",
        "there is no nearest miss",
        "1 rule is right",
    ):
        assert said in result.stdout
    rules.write_text('[[rule]]\nname = "calm"\nmetric = "price"\nfactor = 0.5\n')
    result = run("rules", "check", "--rules", str(rules), folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("tracker rules: r.toml:4: rule 1 ('calm'): factor must be")


def test_a_replay_is_a_table_a_list_or_a_page(tmp_path):
    span = ["--start", "2026-03-01", "--end", "2026-03-02"]
    assert "0 in 1 day" in run("replay", *span, folder=tmp_path).stdout
    assert run("replay", *span, "--json", folder=tmp_path).stdout == "[]\n"
    told = run("replay", *span, "--html", "out.html", folder=tmp_path)
    assert told.stdout == "0 alerts would have fired; the report is out.html\n"
    page = (tmp_path / "out.html").read_text()
    assert "<h1>0 alerts would have fired</h1>" in page
    assert "src=" not in page
    assert run("replay", *span, "--json", "--html", "x.html", folder=tmp_path).returncode == 2
