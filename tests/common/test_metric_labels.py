"""Labels of metrics whose values come from centres are bounded."""

from datetime import UTC, datetime

import pytest

from services.common.metrics import OTHER, BoundedLabel
from services.monitor import metrics
from services.monitor.counting import EventObservation


def test_the_first_values_keep_their_names_and_the_others_share_one() -> None:
    label = BoundedLabel(2)
    assert [label(value) for value in ("a", "b", "c", "a", "d", "b")] == ["a", "b", OTHER, "a", OTHER, "b"]


def test_invented_centres_do_not_grow_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "centre_label", BoundedLabel(3))
    before = len(next(iter(metrics.IMAGES.collect())).samples)
    for number in range(50):
        metrics.counted(EventObservation(f"invented {number}", datetime.now(UTC), f"{number}", ("images",)))
    assert len(next(iter(metrics.IMAGES.collect())).samples) - before <= 2 * 4
    assert metrics.IMAGES.labels(OTHER)._value.get() == 47
