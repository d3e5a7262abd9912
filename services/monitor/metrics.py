"""The metrics that only the monitor exports."""

from typing import Final

from prometheus_client import Counter, Gauge

from services.common.events import CentreStatistics
from services.common.metrics import OTHER, centre_label, reason_label
from services.monitor.counting import EventObservation

IMAGES: Final = Counter("xray_centre_images_total", "Images announced.", ["centre"])
ACCEPTED: Final = Counter("xray_centre_accepted_total", "Images that became a view.", ["centre"])
REJECTED: Final = Counter("xray_centre_rejected_total", "Records refused, by reason code.", ["centre", "reason"])
CALLS: Final = Counter("xray_centre_calls_total", "Phenotype calls.", ["centre"])
POSITIVE: Final = Counter(
    "xray_centre_positive_total", "Calls that are positive, by label; `Abnormal` is level 1.", ["centre", "label"]
)
ABSTAINED: Final = Counter("xray_centre_abstained_total", "Specimens that the models did not call.", ["centre"])
UNCERTAIN: Final = Counter("xray_centre_uncertain_total", "Calls with a label close to its threshold.", ["centre"])
DISAGREEMENT: Final = Counter(
    "xray_centre_disagreement_total", "Calls with a label on which the backbones differ.", ["centre"]
)
DRIFT: Final = Gauge(
    "xray_centre_drift_index",
    "Population stability index of a measure between the centre's newest closed window and its reference.",
    ["centre", "measure"],
)
DRIFT_LIMIT: Final = Gauge(
    "xray_centre_drift_limit_index", "The index from which on that measure has drifted.", ["centre", "measure"]
)
DRIFTED: Final = Gauge(
    "xray_centre_drifted_measures", "Measures of the newest closed window that have drifted.", ["centre"]
)
WINDOW_END: Final = Gauge(
    "xray_centre_window_end_timestamp_seconds", "End of the newest closed window with events.", ["centre"]
)
PUBLISHED: Final = Counter(
    "xray_monitor_windows_published_total", "Windows published: `first`, or `again` after late events.", ["occasion"]
)

_COUNTERS: Final = {
    "images": IMAGES,
    "accepted": ACCEPTED,
    "calls": CALLS,
    "abstained": ABSTAINED,
    "uncertain": UNCERTAIN,
    "disagreement": DISAGREEMENT,
}
_NAMED: Final = {"rejected": REJECTED, "positive": POSITIVE}


def counted(observation: EventObservation) -> None:
    """Count an event that is not a duplicate."""
    centre = centre_label(observation.centre)
    for added in observation.adds:
        counter, _, name = added.partition(":")
        if counter in _COUNTERS and not name:
            _COUNTERS[counter].labels(centre).inc()
            if counter == "calls":
                UNCERTAIN.labels(centre)  # makes the series, so that a panel shows zero and not nothing
        elif counter in _NAMED:
            _NAMED[counter].labels(centre, reason_label(name)).inc()


def closed(window: CentreStatistics) -> None:
    """Export the drift of a centre's newest window, and remove measures that only an earlier window could judge.

    The drift of centres without a label of their own is only in their events.
    """
    if centre_label(window.centre) == OTHER:
        return
    for gauge in (DRIFT, DRIFT_LIMIT):
        gauge.remove_by_labels({"centre": window.centre})
    for one in window.drift:
        DRIFT.labels(window.centre, one.measure).set(one.psi)
        DRIFT_LIMIT.labels(window.centre, one.measure).set(one.limit)
    DRIFTED.labels(window.centre).set(sum(one.drifted for one in window.drift))
    WINDOW_END.labels(window.centre).set(window.window_end.timestamp())
