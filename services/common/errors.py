"""The errors of this system, classified by what the caller should do.

PipelineError
├── Retriable   a server (broker, store, Triton, database) is away and may return: wait and retry, drop nothing
│   └── SourceUnavailable   only the host or bucket that this record's image is on is away: other records can go on
├── Rejected    this one input is bad: write a dead letter with a reason code, then continue
└── Fatal       this process is misconfigured: log it and exit with a non-zero code
"""

from typing import Any


class PipelineError(Exception):
    """Base of all errors that the services raise on purpose."""


class Retriable(PipelineError):
    """A server or network is away; the same call may succeed later.

    `server` (kafka, objects, triton, postgres, https, decoder or machine) and `kind`, the client's name for the error,
    are metric labels.
    """

    def __init__(self, message: str, *, server: str = "other", kind: str = "other") -> None:
        """Keep the metric labels separate from the message."""
        super().__init__(message)
        self.server = server
        self.kind = kind


class SourceUnavailable(Retriable):
    """The source of one record's image does not answer, or has used its share of time; the record may succeed later.

    `source` identifies what is away: `https://host`, `https://host:port`, `s3://bucket` or `centre 'name'`, in
    printable ASCII of at most 280 characters, without path, query or credentials. It may be logged, stored and
    compared, but is not a metric label, because events choose it. Raised only for hosts that are allowed and for
    buckets other than our own, so whoever catches it may set this record aside and continue with records of other
    sources. A fault of our own store or any other server of this system is a plain Retriable: no record can go on
    without it.
    """

    def __init__(self, message: str, *, source: str, server: str = "other", kind: str = "other") -> None:
        """Keep the source separate from the message, so that records can be grouped by it."""
        super().__init__(message, server=server, kind=kind)
        self.source = source


class Fatal(PipelineError):
    """The process cannot work as configured; the message names the setting and how to fix it."""


class Rejected(PipelineError):
    """The input is bad and will stay bad.

    `reason` is a stable snake_case code that operators count and centres read; `message` is one sentence for a
    person; `details` holds the measured values and limits behind the decision (JSON-serialisable).
    """

    def __init__(self, reason: str, message: str, **details: Any) -> None:
        """Keep the code separate from the message, so that counts do not depend on the wording."""
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.details = details
