"""The static site: pure functions from samples and statistics to pages."""

from tracker.site.alerts import ALERTS_SHOWN
from tracker.site.history import FOLDER, History, folder_of
from tracker.site.markets import market_paths
from tracker.site.pages import Feed, Figure, Status, Step
from tracker.site.rendering import render

__all__ = [
    "ALERTS_SHOWN",
    "FOLDER",
    "Feed",
    "Figure",
    "History",
    "Status",
    "Step",
    "folder_of",
    "market_paths",
    "render",
]
