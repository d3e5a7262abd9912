"""centre.statistics: what one centre sent in one window of time, what became of it, and what has drifted."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.common.events.base import Centre, Event, Moment, Text

_Count = Annotated[int, Field(ge=0)]


class ScoreHistogram(BaseModel):
    """How often a quality score fell below the first edge, between two edges, or at or above the last one."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    edges: tuple[float, ...] = Field(min_length=1)
    counts: tuple[_Count, ...]

    @model_validator(mode="after")
    def _one_more_count_than_edges(self) -> ScoreHistogram:
        if len(self.counts) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            msg = "needs rising edges and one more count than edges"
            raise ValueError(msg)
        return self


class Drift(BaseModel):
    """How far one measure of the window lies from the centre's reference.

    `psi` is the population stability index between the two distributions; `limit` is the larger of the configured
    shift and what chance alone explains with these counts. `drifted` when `psi` exceeds `limit`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    measure: Text
    psi: float = Field(ge=0)
    limit: float = Field(ge=0)
    count: _Count
    reference_count: _Count
    drifted: bool


class CentreStatistics(Event):
    """What one centre announced within [`window_start`, `window_end`), and what has become of it.

    Everything counts in the window in which its image was announced; ids that come twice count once. `positive`
    counts the calls that are positive, by label (`Abnormal` is level 1), `uncertain` and `disagreement` those with at
    least one such label, `skipped` the images of parameters that no model uses. `interrupted` says that the counting
    was stopped within the window, so counts may be short. A later record for the same centre and window replaces an
    earlier one.
    """

    centre: Centre
    window_start: Moment
    window_end: Moment
    images: _Count
    skipped: _Count
    accepted: _Count
    rejected: dict[Text, _Count]
    calls: _Count
    positive: dict[Text, _Count]
    uncertain: _Count
    disagreement: _Count
    scores: dict[Text, ScoreHistogram]
    drift: tuple[Drift, ...] = ()
    reference_windows: _Count = 0
    interrupted: bool = False
    produced_at: Moment

    @property
    def key(self) -> str:
        """Statistics of one centre stay in order."""
        return self.centre

    @property
    def total(self) -> int:
        """How many images, views, rejections and calls were counted."""
        return self.images + self.accepted + sum(self.rejected.values()) + self.calls
