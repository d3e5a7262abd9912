"""centre.statistics: the images of one centre in one time window, their outcomes, and drift."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from services.common.events.base import Centre, Event, Moment, ProducedAt, Text

_MOST_COUNT: Final = 1 << 53
"""No centre has so many images, and a larger number cannot be divided or shown as a metric."""


def _countable(count: int) -> int:
    if count > _MOST_COUNT:
        msg = f"at most {_MOST_COUNT}"
        raise ValueError(msg)
    return count


_Total = Annotated[int, Field(ge=0)]
_Count = Annotated[_Total, AfterValidator(_countable)]


class ScoreHistogram(BaseModel):
    """Number of values of a quality score in each bin."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    edges: tuple[float, ...] = Field(min_length=1, description="Rising edges between the bins.")
    counts: tuple[_Count, ...] = Field(
        description="One count more than edges: below the first edge, between two edges, at or above the last edge."
    )

    @model_validator(mode="after")
    def _one_more_count_than_edges(self) -> ScoreHistogram:
        if len(self.counts) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            msg = "needs rising edges and one more count than edges"
            raise ValueError(msg)
        return self


class Drift(BaseModel):
    """Distance of one measure of the window from the centre's reference."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    measure: Text = Field(description="Name of the measure that was compared.")
    psi: float = Field(
        ge=0, description="Population stability index between the distributions of the window and of the reference."
    )
    limit: float = Field(
        ge=0,
        description="`psi` above this limit counts as drift. It is the larger of the configured shift and the shift "
        "that chance explains with these counts.",
    )
    count: _Total = Field(description="Number of values in the window.")
    reference_count: _Total = Field(description="Number of values in the reference.")
    drifted: bool = Field(description="Whether `psi` exceeds `limit`.")


class CentreStatistics(Event):
    """The images that one centre announced within [`window_start`, `window_end`), and their outcomes.

    Views, rejections and calls count in the window in which their image was announced. A duplicate counts once. A later
    record for the same centre and window replaces an earlier one.
    """

    centre: Centre
    window_start: Moment = Field(
        description="Start of the window. An image counts in the window in which it was announced."
    )
    window_end: Moment = Field(description="End of the window, not included.")
    images: _Count = Field(description="Images announced.")
    skipped: _Count = Field(description="Images of parameters that no model uses.")
    accepted: _Count = Field(description="Views produced from these images.")
    rejected: dict[Text, _Count] = Field(description="Rejections, by reason.")
    calls: _Count = Field(description="Specimens called.")
    positive: dict[Text, _Count] = Field(description="Positive calls, by label. `Abnormal` is level 1.")
    abstained: _Count = Field(0, description="Specimens that the models did not call.")
    abstention_reasons: dict[Text, _Count] = Field(
        default_factory=dict, description="Why, by reason. A specimen with several reasons counts for each."
    )
    uncertain: _Count = Field(description="Calls with at least one uncertain label.")
    disagreement: _Count = Field(description="Calls with at least one label on which the models differ.")
    scores: dict[Text, ScoreHistogram] = Field(description="Histogram of each quality score.")
    drift: tuple[Drift, ...] = Field((), description="Distance of each measure from the centre's reference.")
    reference_windows: _Count = Field(0, description="Number of windows in the reference.")
    interrupted: bool = Field(
        False, description="Whether the monitor was stopped within the window, so that the counts may be too low."
    )
    produced_at: ProducedAt

    @property
    def key(self) -> str:
        """The centre, so that its statistics stay in order."""
        return self.centre

    @property
    def total(self) -> int:
        """Number of images, views, rejections, calls and abstentions that were counted."""
        return self.images + self.accepted + sum(self.rejected.values()) + self.calls + self.abstained
