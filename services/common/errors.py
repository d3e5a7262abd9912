"""The errors of this system, classed by what the caller should do.

PipelineError
├── Retriable   something away (broker, store, Triton, database) may come back: wait and try again, drop nothing
├── Rejected    this one input is bad: dead letter with a reason code, then go on
└── Fatal       this process is misconfigured: say it and exit non-zero
"""

from __future__ import annotations

from typing import Any


class PipelineError(Exception):
    """Base of all errors that the services raise on purpose."""


class Retriable(PipelineError):
    """A server or network is away; the same call may succeed later.

    `server` (kafka, objects, triton, postgres or https) and `kind`, the client's own name for the error, are counted.
    """

    def __init__(self, message: str, *, server: str = "other", kind: str = "other") -> None:
        """Keep what is counted apart from the message."""
        super().__init__(message)
        self.server = server
        self.kind = kind


class Fatal(PipelineError):
    """The process cannot work as configured; the message names the setting and how to fix it."""


class Rejected(PipelineError):
    """The input is bad and will stay bad.

    `reason` is a stable snake_case code that operators count and centres read; `message` is one sentence for a
    person; `details` holds the measured values and limits behind the verdict (JSON-serialisable).
    """

    def __init__(self, reason: str, message: str, **details: Any) -> None:
        """Keep the code apart from the message, so that counts do not depend on phrasing."""
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.details = details
