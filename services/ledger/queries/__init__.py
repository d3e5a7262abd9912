"""All queries that read the ledger; other packages import them from here only.

Every function takes a connection from `services.ledger.database.connect`. It raises Retriable when the database is
away and Fatal when the tables are missing. A `since` must have a time zone.
"""

from services.ledger.queries.calls import (
    CallRecord,
    StoredCall,
    calls_after,
    calls_of,
    current_calls,
    current_calls_of,
    newest_sequence,
    stored_calls,
)
from services.ledger.queries.counts import (
    CentreCount,
    CohortProgress,
    LedgerCount,
    centre_counts,
    cohort_progress,
    ledger_count,
)
from services.ledger.queries.erasure import (
    called_tensors,
    refused_originals,
    specimens_with,
    stored_images,
    stored_images_named,
)
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
from services.ledger.queries.identify import IdentifiedSpecimen, IdKind, find_specimen, specimen_named
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
from services.ledger.queries.reviews import ReviewRecord, count_reviews, reviews
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
from services.ledger.queries.withdrawals import (
    AnnouncedView,
    WithdrawalRecord,
    announced_views,
    call_withdrawals,
    withdrawals,
)

__all__ = [
    "AnnouncedView",
    "CallRecord",
    "CentreCount",
    "CohortProgress",
    "Fate",
    "FateCount",
    "IdKind",
    "IdentifiedSpecimen",
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
    "StoredCall",
    "StoredImage",
    "UnreadableRecord",
    "WithdrawalRecord",
    "announced_views",
    "call_withdrawals",
    "called_tensors",
    "calls_after",
    "calls_of",
    "centre_counts",
    "cohort_progress",
    "count_reviews",
    "count_specimens",
    "current_calls",
    "current_calls_of",
    "fate_counts",
    "find_rejection",
    "find_specimen",
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
    "refused_originals",
    "rejection_counts",
    "rejections",
    "reviews",
    "shadow_labels",
    "shadow_summaries",
    "shadowed_specimens",
    "specimen_history",
    "specimen_named",
    "specimen_state",
    "specimens_after",
    "specimens_with",
    "stored_calls",
    "stored_images",
    "stored_images_named",
    "unreadable_records",
    "withdrawals",
]
