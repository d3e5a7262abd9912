"""What the ledger answers. Every function takes a connection from `services.sink.database.connect`.

All raise Retriable when the database is away and Fatal when the tables are missing. A `since` must carry its time zone.
"""

from services.sink.queries.calls import CallRecord, calls_after, calls_of, current_calls, newest_sequence
from services.sink.queries.counts import CentreCount, LedgerCount, centre_counts, ledger_count
from services.sink.queries.fates import (
    Fate,
    FateCount,
    ImageFate,
    UnreadableRecord,
    fate_counts,
    image_fates,
    recorded_images,
    refused_images,
    unreadable_records,
)
from services.sink.queries.incomplete import IncompleteCount, incomplete_counts
from services.sink.queries.rejections import (
    RejectionCount,
    RejectionSummary,
    find_rejection,
    rejection_counts,
    rejections,
)
from services.sink.queries.specimens import (
    ImageRecord,
    SpecimenHistory,
    SpecimenState,
    incomplete_specimens,
    specimen_history,
    specimen_state,
)

__all__ = [
    "CallRecord",
    "CentreCount",
    "Fate",
    "FateCount",
    "ImageFate",
    "ImageRecord",
    "IncompleteCount",
    "LedgerCount",
    "RejectionCount",
    "RejectionSummary",
    "SpecimenHistory",
    "SpecimenState",
    "UnreadableRecord",
    "calls_after",
    "calls_of",
    "centre_counts",
    "current_calls",
    "fate_counts",
    "find_rejection",
    "image_fates",
    "incomplete_counts",
    "incomplete_specimens",
    "ledger_count",
    "newest_sequence",
    "recorded_images",
    "refused_images",
    "rejection_counts",
    "rejections",
    "specimen_history",
    "specimen_state",
    "unreadable_records",
]
