"""Versions that cannot be retired, refused before any server is contacted."""

import pytest

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.events.base import now
from services.common.events.model import SHADOW_SET, EarlierSet
from services.registry.shadow import _require_unused

EARLIER = (EarlierSet(activation=2, versions={"cae": 2}), EarlierSet(activation=1, versions={"cae": 1}))
SERVES = ModelActivation(activation=3, versions={"cae": 3}, earlier=EARLIER, why="a test", produced_at=now())


def in_shadow(version: int, share: float) -> ModelActivation:
    record = SERVES.model_copy(update={"name": SHADOW_SET, "versions": {"cae": version}, "share": share})
    return ModelActivation.model_validate(record.model_dump())


@pytest.mark.parametrize(
    ("version", "shadow", "reason"),
    [
        (3, None, "serves"),
        (2, None, "stands_by"),
        (1, None, "stands_by"),
        (4, in_shadow(4, 0.1), "in_shadow"),
    ],
)
def test_a_version_that_is_needed_stays(version: int, shadow: ModelActivation | None, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        _require_unused(SERVES, shadow, "cae", version)
    assert caught.value.reason == reason


@pytest.mark.parametrize("shadow", [None, in_shadow(4, 0.0), in_shadow(5, 0.1)])
def test_one_that_nobody_needs_may_go(shadow: ModelActivation | None) -> None:
    _require_unused(SERVES, shadow, "cae", 4)
    _require_unused(SERVES, shadow, "convnext", 3)
