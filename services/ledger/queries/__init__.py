"""What the ledger answers. Every function takes a connection from `services.ledger.database.connect`.

All raise Retriable when the database is away and Fatal when the tables are missing. A `since` must carry its time zone.
"""

from services.ledger.queries.calls import (
    CallRecord,
    calls_after,
    calls_of,
    current_calls,
    current_calls_of,
    newest_sequence,
)
from services.ledger.queries.counts import CentreCount, LedgerCount, centre_counts, ledger_count
from services.ledger.queries.fates import (
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
from services.ledger.queries.known import images_at_intake, known_centres, known_reasons
from services.ledger.queries.rejections import (
    RejectionCount,
    RejectionSummary,
    find_rejection,
    rejection_counts,
    rejections,
)
from services.ledger.queries.reprocess import (
    KnownSpecimen,
    Selection,
    StoredImage,
    count_specimens,
    outdated_images,
    specimens_after,
)
from services.ledger.queries.reviews import ReviewRecord, reviews
from services.ledger.queries.shadow import (
    ShadowLabel,
    ShadowSummary,
    shadow_labels,
    shadow_summaries,
    shadowed_specimens,
)
from services.ledger.queries.specimens import (
    ImageRecord,
    IncompleteCount,
    SpecimenHistory,
    SpecimenState,
    incomplete_counts,
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
    "KnownSpecimen",
    "LedgerCount",
    "RejectionCount",
    "RejectionSummary",
    "ReviewRecord",
    "Selection",
    "ShadowLabel",
    "ShadowSummary",
    "SpecimenHistory",
    "SpecimenState",
    "StoredImage",
    "UnreadableRecord",
    "calls_after",
    "calls_of",
    "centre_counts",
    "count_specimens",
    "current_calls",
    "current_calls_of",
    "fate_counts",
    "find_rejection",
    "image_fates",
    "images_at_intake",
    "incomplete_counts",
    "incomplete_specimens",
    "known_centres",
    "known_reasons",
    "ledger_count",
    "newest_sequence",
    "outdated_images",
    "recorded_images",
    "refused_images",
    "rejection_counts",
    "rejections",
    "reviews",
    "shadow_labels",
    "shadow_summaries",
    "shadowed_specimens",
    "specimen_history",
    "specimen_state",
    "specimens_after",
    "unreadable_records",
]
