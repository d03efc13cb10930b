"""What the doctor finds, and that looking leaves nothing behind and disturbs no other who looks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.ports import free_ports
from tracker import doctor
from tracker.objects import Objects

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def found(**environment: str) -> dict[str, doctor.Finding]:
    """Give what is found, by the word it begins with."""
    return {one.what.split()[0].rstrip(":"): one for one in doctor.examine(environment, lambda: NOON)}


def test_a_wrong_setting_is_named_and_nothing_else_is_looked_at() -> None:
    said = found(TRACKER_STORE_ULR="x")
    assert list(said) == ["settings"]
    assert not said["settings"].good
    assert "did you mean TRACKER_STORE_URL" in said["settings"].what


def test_each_thing_that_is_wrong_is_said_with_how_to_mend_it(tmp_path: Path) -> None:
    [port] = free_ports(1)
    (tmp_path / "metrics.json").write_text('{"markets": {"kraken": ["BTC-USD"]}, "metrics": ["price"]}')
    (tmp_path / "file").touch()
    said = found(
        TRACKER_METRICS=str(tmp_path / "metrics.json"),
        TRACKER_KRAKEN_URL=f"http://127.0.0.1:{port}",
        TRACKER_PACE="off",
        TRACKER_STORE_URL=str(tmp_path / "store"),
        TRACKER_SITE_URL=str(tmp_path / "file" / "site"),
        TRACKER_MAIL_TO="ann@example.com",
        AIRFLOW_CONN_SMTP_DEFAULT=f"smtp://127.0.0.1:{port}",
    )
    assert said["settings"].good
    assert not said["kraken"].good
    assert "TRACKER_KRAKEN_URL" in said["kraken"].mend
    assert said["store"].good
    assert not said["site"].good
    assert "TRACKER_SITE_URL" in said["site"].mend
    assert not said["mail"].good
    assert Objects(str(tmp_path / "store")).list() == []


def test_a_doctor_at_work_does_not_disturb_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Objects):
        """Lets another doctor do all of its work between a write and the reading back."""

        def get(self, path: str) -> bytes | None:
            monkeypatch.setattr(doctor, "Objects", Objects)
            [other] = doctor._objects("store", self.url, "")
            assert other.good
            return super().get(path)

    monkeypatch.setattr(doctor, "Objects", Interrupted)
    [one] = doctor._objects("store", str(tmp_path), "")
    assert one.good
