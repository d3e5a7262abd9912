"""Values and legends in words, in the manner of Grafana."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from deploy.grafana.screen import Unit
from deploy.prometheus.server import Series


def legend_of(template: str, labels: Mapping[str, str]) -> str:
    """Put labels into a legend's braces."""
    return re.sub(r"\{\{(\w+)\}\}", lambda use: labels.get(use[1], ""), template).strip()


def newest(series: Series) -> float | None:
    """Return the newest finite value."""
    return next((value for _, value in reversed(series.points) if math.isfinite(value)), None)


def largest(series: Series) -> float | None:
    """Return the largest finite value."""
    return max((value for _, value in series.points if math.isfinite(value)), default=None)


def worded(value: float, unit: Unit) -> str:
    """Return a value as Grafana writes it, nearly."""
    if unit is Unit.SECONDS:
        return _seconds(value)
    if unit is Unit.SHARE:
        return f"{value:.1%}" if abs(value) < 0.1 else f"{value:.0%}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}{_SUFFIX[unit]}"
    return f"{value:.3g} {_SUFFIX[unit]}".strip()


_SUFFIX: Final = {
    Unit.COUNT: "",
    Unit.BYTES: "B",
    Unit.BYTES_RATE: "B/s",
    Unit.PER_SECOND: "/s",
    Unit.PER_HOUR: "/h",
}


def _seconds(value: float) -> str:
    for size, word in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(value) >= size:
            return f"{value / size:.3g} {word}"
    return f"{value:.3g} s" if abs(value) >= 1 or value == 0 else f"{value * 1000:.3g} ms"
