"""Which records of references.active count: what the commands write does, anything else changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from services.common.events import ReferenceActivation
from services.common.events.base import now
from services.common.events.reference import EarlierReference
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.registry.references.active import NONE, ActiveReferences, active, follows

A, B = "a" * 64, "b" * 64


def record(number: int, sha256: str | None, *earlier: EarlierReference, **changes: Any) -> ReferenceActivation:
    known = ReferenceActivation(activation=number, sha256=sha256, earlier=earlier, why="a test", produced_at=now())
    return known.model_copy(update=changes)


FIRST = record(1, A, NONE)
SECOND = record(2, B, FIRST.as_earlier(), NONE)
BACK = record(3, A, NONE)
AT_FIRST = record(4, None)


def test_activations_and_rollbacks_follow_one_another() -> None:
    assert follows(None, FIRST)
    assert follows(FIRST, SECOND)
    assert follows(SECOND, BACK)
    assert follows(BACK, AT_FIRST)
    assert (active(None), active(AT_FIRST).sha256, active(AT_FIRST).activation) == (NONE, None, 4)


@pytest.mark.parametrize(
    ("before", "stray"),
    [
        (None, SECOND),
        (None, record(1, A)),
        (FIRST, FIRST),
        (FIRST, record(3, B, FIRST.as_earlier(), NONE)),
        (FIRST, record(2, B, NONE)),
        (SECOND, record(3, B, NONE)),
        (SECOND, record(3, A, FIRST.as_earlier())),
        (FIRST, record(2, B, FIRST.as_earlier(), name="other")),
    ],
)
def test_any_other_record_does_not_count(before: ReferenceActivation | None, stray: ReferenceActivation) -> None:
    assert not follows(before, stray)


@dataclass(frozen=True)
class Stored:
    partition: int
    offset: int
    value: bytes | None


@pytest.mark.parametrize("reread", [False, True])
def test_a_reader_ends_at_the_last_sound_record_also_when_it_reads_again(
    monkeypatch: pytest.MonkeyPatch, reread: bool
) -> None:
    """A follower that lost its connection reads from the beginning; strays and duplicates change nothing."""
    values: Sequence[bytes | None] = [
        FIRST.encode(), FIRST.encode(), b"no json", SECOND.encode(), record(9, A).encode(), None, BACK.encode()
    ]  # fmt: skip
    stored = [Stored(0, offset, value) for offset, value in enumerate(values)]
    batches = iter([stored[:4], stored if reread else stored[4:], []])

    def read(_: TopicFollower) -> Iterator[Stored]:
        yield from next(batches)

    monkeypatch.setattr(TopicFollower, "read", read)
    references = ActiveReferences(Settings())
    assert references.refresh() == SECOND
    assert references.refresh() == BACK
    assert references.refresh() == BACK
    assert references.ignored == 4
