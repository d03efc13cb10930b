"""The static site: pure functions from samples and statistics to pages."""

from tracker.site.pages import About, Feed, Status, Step
from tracker.site.rendering import market_paths, render

__all__ = ["About", "Feed", "Status", "Step", "market_paths", "render"]
