"""How often a simulated exchange may be asked, and what it does to those who ask more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """A token bucket: so much a second, so much at once; `header` tells how much is used, `bans` those who go on."""

    rate: float
    burst: float
    header: str = ""
    bans: bool = False


@dataclass
class Bucket:
    """What is left of a limit, and who was banned; `at` in seconds from any fixed start."""

    limit: Limit
    tokens: float = -1.0
    last: float = 0.0
    strikes: int = 0
    banned: float = 0.0

    def take(self, cost: float, at: float) -> tuple[int, float] | None:
        """Take tokens, or give the status and the seconds to wait: 429, or 418 for those who do not."""
        full = self.limit.burst
        self.tokens = full if self.tokens < 0 else min(full, self.tokens + (at - self.last) * self.limit.rate)
        self.last = at
        if at < self.banned:
            self.banned += 60.0
            return 418, self.banned - at
        if self.tokens >= cost:
            self.tokens -= cost
            self.strikes = 0
            return None
        self.strikes += 1
        if self.limit.bans and self.strikes > 5:
            self.banned = at + 120.0
            return 418, 120.0
        return 429, (cost - self.tokens) / self.limit.rate

    @property
    def used(self) -> int:
        """How much of the limit is used up; nothing where nothing was ever counted."""
        return 0 if self.tokens < 0 else round(self.limit.burst - self.tokens)
