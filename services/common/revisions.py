"""Which records of a batch a later one of the same batch makes superfluous."""

from collections.abc import Sequence

from services.common.events import SpecimenReady, TensorReady
from services.common.loop import Record


def newest_revisions(records: Sequence[Record[SpecimenReady | TensorReady]]) -> set[int]:
    """Return the indices of the records that hold the newest revision of their specimen in this batch.

    Sets of views only grow, so an older revision is a subset of the newer one and its result would be replaced at once.
    """
    newest: dict[tuple[str, int], tuple[int, int]] = {}
    for index, record in enumerate(records):
        event = record.event
        specimen = (event.biological_sample_id, event.preprocessing_generation)
        newest[specimen] = max(newest.get(specimen, (0, -1)), (event.revision, index))
    return {index for _, index in newest.values()}
