"""What the docs' pictures write beside their lines."""

from __future__ import annotations

import math

import pytest

from deploy.grafana.screen import Unit
from deploy.grafana.words import legend_of, newest, worded
from deploy.prometheus.server import Series


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (45, Unit.SECONDS, "45 s"),
        (5400, Unit.SECONDS, "1.5 h"),
        (0.042, Unit.SHARE, "4.2%"),
        (0.42, Unit.SHARE, "42%"),
        (1_500_000, Unit.BYTES_RATE, "1.5 MB/s"),
        (7, Unit.COUNT, "7"),
        (12, Unit.PER_HOUR, "12 /h"),
    ],
)
def test_values_are_written_with_their_unit(value: float, unit: Unit, words: str) -> None:
    assert worded(value, unit) == words


def test_legends_are_filled_with_labels() -> None:
    assert legend_of("{{stage}} {{topic}}", {"stage": "intake", "topic": "xray.images"}) == "intake xray.images"
    assert legend_of("{{stage}} {{topic}}", {"stage": "sink"}) == "sink"


def test_the_newest_value_is_the_last_that_is_one() -> None:
    assert newest(Series({}, ((1, 3.0), (2, 4.0), (3, math.nan)))) == 4.0
    assert newest(Series({}, ((1, math.nan),))) is None
