"""The static site: pure functions from samples and statistics to pages."""

from tracker.site.pages import About, Feed, Figure, Status, Step
from tracker.site.rendering import market_paths, render

__all__ = ["About", "Feed", "Figure", "Status", "Step", "market_paths", "render"]
