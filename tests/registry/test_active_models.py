"""Which records of models.active count: what the commands write does, anything else changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.model import SHADOW_SET
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.registry.active_models import ActiveModels, follows

PIN = "a" * 64


def first(number: int = 1, version: int = 1) -> ModelActivation:
    return ModelActivation(
        activation=number,
        versions={"cae": version, "convnext": 1},
        cards={"cae": PIN, "convnext": PIN},
        why="a test",
        produced_at=now(),
    )


def promotion(before: ModelActivation, version: int, **changes: Any) -> ModelActivation:
    versions = before.versions | {"cae": version}
    usual = {
        "activation": before.activation + 1,
        "versions": versions,
        "earlier": (before.as_earlier(), *before.earlier)[:2],
    }
    return before.model_copy(update=usual | changes)


def rollback(before: ModelActivation) -> ModelActivation:
    target, *rest = before.earlier
    return before.model_copy(
        update={"activation": before.activation + 1, "versions": target.versions, "earlier": tuple(rest)}
    )


FIRST = first()
SECOND = promotion(FIRST, 2)


@pytest.mark.parametrize(
    ("before", "record"),
    [
        (None, FIRST),
        (None, first(7)),
        (FIRST, SECOND),
        (SECOND, rollback(SECOND)),
        (promotion(SECOND, 3), rollback(promotion(SECOND, 3))),
        (FIRST, promotion(FIRST, 2, versions=FIRST.versions | {"new": 1}, cards=FIRST.cards | {"new": PIN})),
    ],
)
def test_promotions_and_rollbacks_follow(before: ModelActivation | None, record: ModelActivation) -> None:
    assert follows(before, record)


@pytest.mark.parametrize(
    ("before", "record"),
    [
        pytest.param(None, first().model_copy(update={"cards": {"cae": PIN}}), id="a version without its pin"),
        pytest.param(None, first().model_copy(update={"name": "other"}), id="another name"),
        pytest.param(FIRST, promotion(FIRST, 2, activation=10**18), id="a number far ahead"),
        pytest.param(SECOND, promotion(FIRST, 2), id="the same record again"),
        pytest.param(FIRST, promotion(FIRST, 2, earlier=()), id="no way back"),
        pytest.param(FIRST, promotion(FIRST, 2, earlier=(first(1, 9).as_earlier(),)), id="another set before it"),
        pytest.param(FIRST, promotion(FIRST, 2, versions={"cae": 2}), id="a model left out"),
        pytest.param(SECOND, rollback(SECOND).model_copy(update={"versions": {"cae": 9}}), id="a rollback elsewhere"),
    ],
)
def test_anything_else_does_not(before: ModelActivation | None, record: ModelActivation) -> None:
    assert not follows(before, record)


@dataclass
class Stored:
    partition: int
    offset: int
    value: bytes | None


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> list[Stored]:
    """The records that every read of the topic yields, all of them each time, as after a lost connection."""
    records: list[Stored] = []

    def read(_: TopicFollower) -> Iterator[Stored]:
        yield from records

    monkeypatch.setattr(TopicFollower, "read", read)
    return records


def written(values: Sequence[bytes | None]) -> list[Stored]:
    return [Stored(0, offset, value) for offset, value in enumerate(values)]


def test_the_last_sound_set_serves_whatever_is_written(topic: list[Stored]) -> None:
    forged = promotion(SECOND, 3, activation=10**18, earlier=())
    topic += written([FIRST.encode(), SECOND.encode(), b"\xff", None, forged.encode(), b'{"schema_version": 2}'])
    active = ActiveModels(Settings())
    assert active.refresh() == SECOND
    assert active.ignored == 4
    third = promotion(SECOND, 3)
    topic.append(Stored(0, 6, third.encode()))
    assert active.refresh() == third
    assert active.ignored == 4, "each record counts once, however often the topic is read"


def test_a_candidate_in_shadow_has_its_own_numbers(topic: list[Stored]) -> None:
    candidate = FIRST.model_copy(update={"name": SHADOW_SET, "share": 0.5})
    ahead = candidate.model_copy(update={"activation": 9})
    stopped = candidate.model_copy(update={"activation": 2, "share": 0.0})
    topic += written([FIRST.encode(), candidate.encode(), SECOND.encode(), ahead.encode(), stopped.encode()])
    active = ActiveModels(Settings())
    active.update()
    assert (active.serving, active.shadow, active.ignored) == (SECOND, stopped, 1)
