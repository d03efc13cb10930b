"""What a person clicks in Airflow's UI."""

from __future__ import annotations

from datetime import datetime

from playwright.sync_api import Page, expect


def backfill(page: Page, url: str, dag_id: str, first: datetime, last: datetime, *, again: bool = False) -> None:
    """Ask for the runs of the dates [first, last], as a person does: Trigger, Backfill, two dates, Run Backfill.

    `again`: also for those that were made before.
    """
    page.goto(f"{url}/dags/{dag_id}", wait_until="networkidle")
    page.get_by_role("button", name="Trigger").first.click()
    page.get_by_text("Run this Dag for a range of dates").click()
    for at in (first, last):
        page.get_by_text("Select date and time").first.click()  # the next that is empty
        page.get_by_placeholder("YYYY/MM/DD").locator("visible=true").fill(f"{at:%Y/%m/%d}")
        page.get_by_placeholder("HH:mm").locator("visible=true").fill(f"{at:%H:%M}")
        page.get_by_text("Date Range", exact=True).click()
    if again:
        page.get_by_text("All Runs", exact=True).click()
    run = page.get_by_role("button", name="Run Backfill")
    expect(run).to_be_enabled(timeout=30_000)
    run.click()
    expect(page.get_by_text("Backfill generated").first).to_be_visible(timeout=30_000)
