"""Which records of a batch a later one of the same batch makes superfluous."""

from collections.abc import Sequence

from services.common.events import CallWithdrawal, SpecimenReady, TensorReady
from services.common.loop import Record


def newest_revisions(records: Sequence[Record[SpecimenReady | TensorReady | CallWithdrawal]]) -> set[int]:
    """Return the indices of the records that hold the newest revision of their specimen in this batch.

    What is stored of a specimen only grows, so the result of an older revision would be replaced at once.
    """
    newest: dict[tuple[str, int], tuple[int, int]] = {}
    for index, record in enumerate(records):
        event = record.event
        specimen = (event.biological_sample_id, event.preprocessing_generation)
        newest[specimen] = max(newest.get(specimen, (0, -1)), (event.revision, index))
    return {index for _, index in newest.values()}
