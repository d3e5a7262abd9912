"""What a record on a retry topic carries in a header: where it was announced, and what has happened to it since."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.common.events.base import Moment

RETRY_HEADER: Final = "xray-retry"
"""Its value is a RetryState as JSON. A record may have other headers of this name: the last one is ours."""
LONGEST_ERROR: Final = 500

Headers = tuple[tuple[str, bytes], ...]


class RetryState(BaseModel):
    """The first position and time of a record, and its attempts since `since`, when the first one failed.

    `attempts` counts only real ones: a record that was set aside because its source had just failed for another
    record has none. `error` is the last failure.
    """

    model_config = ConfigDict(frozen=True)

    topic: str
    topic_id: str = ""
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    timestamp: Moment
    since: Moment
    attempts: Annotated[int, Field(ge=0)] = 0
    error: Annotated[str, Field(max_length=LONGEST_ERROR)] = ""

    def attempted(self, error: str) -> RetryState:
        """Return the state after one more attempt, which failed with `error`."""
        return self.model_copy(update={"attempts": self.attempts + 1, "error": error[:LONGEST_ERROR]})

    def description(self, due_at: datetime) -> str:
        """Return what a record waits for, in words for people; `due_at` is when it is tried again, in UTC."""
        return f"parked, next attempt at {due_at:%Y-%m-%d %H:%M:%S}, attempt {self.attempts + 1}: {self.error}"

    def age_seconds(self, now: datetime) -> float:
        """Return the seconds since the first failure; 0 when the clock of the worker that saw it was ahead."""
        return max(0.0, (now - self.since).total_seconds())

    def added_to(self, headers: Iterable[tuple[str, bytes]]) -> Headers:
        """Return the headers of the record on a retry topic, given those of its announcement."""
        return (*headers, (RETRY_HEADER, self.model_dump_json().encode()))


def retry_state(headers: Headers) -> tuple[RetryState | None, Headers]:
    """Return the state in the headers of a record on a retry topic, and the headers of its announcement.

    The state is None, and the headers are unchanged, for a record that no service of ours has put there.
    """
    for index in range(len(headers) - 1, -1, -1):
        name, value = headers[index]
        if name == RETRY_HEADER:
            try:
                return RetryState.model_validate_json(value), headers[:index] + headers[index + 1 :]
            except ValidationError:
                break
    return None, headers
