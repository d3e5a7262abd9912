"""Tumbling windows of event time: [start, start + length), aligned to 1970-01-01 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Verdict = Literal["counts", "too_late", "in_the_future"]


@dataclass(frozen=True)
class Windows:
    """Lengths in seconds; moments are Unix times."""

    length: int
    grace: int
    kept: int

    def start_of(self, moment: datetime) -> int:
        """Return the start of the window that holds a moment."""
        return int(moment.timestamp() // self.length) * self.length

    def closed(self, start: int, now: float) -> bool:
        """Tell whether a window's end and its grace are past."""
        return start + self.length + self.grace <= now

    def expired(self, start: int, now: float) -> bool:
        """Tell whether a window takes no more events."""
        return start + self.length + self.kept <= now

    def judge(self, start: int, now: float) -> Verdict:
        """Say whether an event of this window counts; a clock that is a window ahead is wrong."""
        if self.expired(start, now):
            return "too_late"
        return "in_the_future" if start > now + self.length else "counts"


def moment_of(seconds: float) -> datetime:
    """Return a Unix time as UTC."""
    return datetime.fromtimestamp(seconds, UTC)
