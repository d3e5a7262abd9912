"""Publishes reviews of specimens that have a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.common.errors import Rejected
from services.common.events import PhenotypeCall, Review
from services.common.kafka.clients import publisher
from services.common.settings import Settings
from services.common.topics import REVIEWS
from services.ledger.queries import current_calls_of
from services.ledger.session import ledger
from services.operations.reviews.compose import compose
from services.operations.reviews.file import BadLine, Line

_ACKNOWLEDGED_SECONDS: Final = 60


@dataclass(frozen=True)
class Reviewed:
    """A review with the current call that it speaks of, and the line of the file that it comes from."""

    number: int
    review: Review
    call: PhenotypeCall


def prepared(settings: Settings, lines: Sequence[Line | BadLine]) -> tuple[list[Reviewed], list[BadLine]]:
    """Return the reviews that can be published and the lines that cannot.

    A specimen must have a call in the ledger: else the id is mistyped, or there is nothing yet to look at. Raises
    Retriable when PostgreSQL is away.
    """
    good = [line for line in lines if isinstance(line, Line)]
    with ledger(settings) as connection:
        calls = current_calls_of(connection, sorted({line.specimen.replace("\0", "") for line in good}))
    reviews: list[Reviewed] = []
    bad = [line for line in lines if isinstance(line, BadLine)]
    for line in good:
        try:
            reviews.append(_reviewed(line, calls.get(line.specimen)))
        except Rejected as error:
            bad.append(BadLine(line.number, error))
    return reviews, sorted(bad, key=lambda line: line.number)


def _reviewed(line: Line, call: PhenotypeCall | None) -> Reviewed:
    if call is None:
        words = f"the ledger has no call of specimen {line.specimen!r}; see `xray specimens {line.specimen}`"
        raise Rejected("no_call", words)
    review = compose(
        line.specimen,
        line.said,
        who=line.who,
        note=line.note,
        reviewed_at=line.reviewed_at,
        call_id=call.call_id,
    )
    return Reviewed(line.number, review, call)


def publish(settings: Settings, reviews: Sequence[Review], done: Callable[[int], None]) -> None:
    """Publish and wait for the broker's word; `done` is called with how many it has taken.

    Raises Retriable when the broker is away, Fatal when the topic is missing. Sending again adds nothing.
    """
    with publisher(settings) as producer:
        futures = [producer.send(REVIEWS.name, key=one.key.encode(), value=one.encode()) for one in reviews]
        for number, future in enumerate(futures, start=1):
            future.get(timeout=_ACKNOWLEDGED_SECONDS)
            done(number)
