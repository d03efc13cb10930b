"""The static site: pure functions from samples and statistics to pages."""

from tracker.site.alerts import ALERTS_SHOWN
from tracker.site.content import Content
from tracker.site.history import FOLDER, History, folder_of
from tracker.site.markets import market_parts, market_paths
from tracker.site.pages import Feed, Figure, Run, Status, Step
from tracker.site.rendering import CommonFiles, kept_files, render
from tracker.site.runs import STEPS

__all__ = [
    "ALERTS_SHOWN",
    "FOLDER",
    "STEPS",
    "CommonFiles",
    "Content",
    "Feed",
    "Figure",
    "History",
    "Run",
    "Status",
    "Step",
    "folder_of",
    "kept_files",
    "market_parts",
    "market_paths",
    "render",
]
