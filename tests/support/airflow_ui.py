"""What a person clicks in Airflow's UI."""

from __future__ import annotations

from datetime import datetime

from playwright.sync_api import Page, expect

SOON = 60_000
"""Milliseconds in which a busy machine draws what was asked for."""


def backfill(page: Page, url: str, dag_id: str, first: datetime, last: datetime, *, again: bool = False) -> None:
    """Ask for the runs of the dates [first, last], as a person does: Trigger, Backfill, two dates, Run Backfill.

    `again`: also for those that were made before.
    """
    page.set_default_timeout(SOON)
    page.goto(f"{url}/dags/{dag_id}")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Run this Dag for a range of dates").click()
    for n, at in enumerate((first, last)):
        _pick(page, n, at)
    if again:
        page.get_by_text("All Runs", exact=True).click()
    run = page.get_by_role("button", name="Run Backfill")
    expect(run).to_be_enabled(timeout=SOON)
    run.click()
    expect(page.get_by_text("Backfill generated").first).to_be_visible(timeout=SOON)


def _pick(page: Page, n: int, at: datetime) -> None:
    """Open the n-th field of the form, type the time, and wait until its picker is gone, not only closing."""
    field = page.get_by_test_id("datetime-input").nth(n)
    date = page.get_by_placeholder("YYYY/MM/DD").locator("visible=true")
    field.click()
    date.fill(f"{at:%Y/%m/%d}")
    page.get_by_placeholder("HH:mm").locator("visible=true").fill(f"{at:%H:%M}")
    expect(field).to_contain_text(f"{at:%b %d, %Y %H:%M}", timeout=SOON)
    page.get_by_text("Date Range", exact=True).click()
    expect(date).to_have_count(0, timeout=SOON)
