"""What publishing costs at list prices, from counted requests."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.model import Usage

MONTH_MINUTES = 30 * 24 * 60


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices of a bucket in dollars, as of November 2026; storage and traffic to readers are not in them."""

    name: str
    million_writes: float
    million_reads: float
    free_writes: int = 0
    free_reads: int = 0

    def monthly(self, usage: Usage) -> float:
        """Give the dollars that 30 days of such publishing cost."""
        writes, reads = _monthly(usage.writes, usage), _monthly(usage.reads, usage)
        writing = max(writes - self.free_writes, 0) * self.million_writes
        return (writing + max(reads - self.free_reads, 0) * self.million_reads) / 1e6


PRICES = (
    Prices("Cloudflare R2", 4.50, 0.36, free_writes=1_000_000, free_reads=10_000_000),
    Prices("Amazon S3", 5.00, 0.40),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What 30 days of publishing as counted in the last 24 h would ask for, and its price by provider."""

    usage: Usage
    writes: int
    bytes: int
    dollars: tuple[tuple[str, str], ...]


def cost(usage: Usage) -> Cost | None:
    """Estimate a month, one publish a minute; None before the first publish is counted.

    >>> cost(Usage(publishes=1440, writes=92_448, reads=4_320, bytes=0)).dollars
    (('Cloudflare R2', '$7.98'), ('Amazon S3', '$13.92'))
    """
    if not usage.publishes:
        return None
    dollars = tuple((one.name, f"${one.monthly(usage):,.2f}") for one in PRICES)
    return Cost(usage, round(_monthly(usage.writes, usage)), round(_monthly(usage.bytes, usage)), dollars)


def _monthly(count: int, usage: Usage) -> float:
    return count * MONTH_MINUTES / usage.publishes
