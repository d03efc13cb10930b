"""The steps of a minute and of the past: each gathers, decides with pure functions, then acts.

Every step may be run again: it replaces what it wrote. Reports are small JSON-able dicts (counts, problems,
seconds), good for a log, an XCom and the status page.
"""

from tracker.pipeline.deliver import Deliver
from tracker.pipeline.fetch import Fetch
from tracker.pipeline.keep import Keep
from tracker.pipeline.load import Load
from tracker.pipeline.publish import Publish
from tracker.pipeline.replay import Replay


class Pipeline(Fetch, Publish, Deliver, Load, Keep, Replay):
    """The steps, over ports."""

    __slots__ = ()
