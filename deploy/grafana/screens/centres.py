"""*Centres*: does each centre send images, what happens to them, and have they drifted?"""

from typing import Final

from deploy.grafana.screen import PanelRow, Screen, Unit, bars, lines, table

_ONLY: Final = '{centre=~"$centre"}'
_KNOWN: Final = '{centre=~"$centre", centre!="(unknown)"}'
"""Without `(unknown)`, under which unreadable records are counted."""


def _share(counter: str, labels: str = _ONLY) -> tuple[str, str]:
    """Return a share of a centre's calls, over the dashboard's rate interval."""
    part = f"sum by (centre) (rate({counter}{labels}[$__rate_interval]))"
    return f"{part} / sum by (centre) (rate(xray_centre_calls_total{_ONLY}[$__rate_interval]))", "{{centre}}"


_RECEIVED: Final = PanelRow(
    "Received and called",
    (
        lines("Images announced", "Per hour, by centre.", Unit.PER_HOUR,
              (f"sum by (centre) (rate(xray_centre_images_total{_ONLY}[$__rate_interval])) * 3600", "{{centre}}")),
        bars("Images of the last seven days", "Outcomes of each centre's images, from the ledger.", Unit.COUNT,
             (f"sum by (centre, fate) (xray_ledger_images{_ONLY})", "{{centre}} {{fate}}")),
        lines("Oldest image in flight", "CallsLate fires at half an hour.", Unit.SECONDS,
              (f"max by (centre) (xray_ledger_oldest_in_flight_seconds{_ONLY})", "{{centre}}"), limit=1800),
        bars("Rejected", "By centre and reason, since the monitor started.", Unit.COUNT,
             (f"sum by (centre, reason) (xray_centre_rejected_total{_ONLY})", "{{centre}} {{reason}}")),
        bars("Specimens without their other view", "The centre has not sent it yet, or it was rejected.",
             Unit.COUNT, (f"sum by (centre) (xray_ledger_incomplete_specimens{_ONLY})", "{{centre}}")),
        bars("Oldest such specimen", "SpecimensIncomplete fires at two weeks.", Unit.SECONDS,
             (f"max by (centre) (xray_ledger_oldest_incomplete_seconds{_ONLY})", "{{centre}}")),
    ),
)  # fmt: skip

_CALLS: Final = PanelRow(
    "Calls",
    (
        lines("Called abnormal", "Share of the calls. Centres differ, but a sudden change is suspicious.",
              Unit.SHARE, _share("xray_centre_positive_total", '{centre=~"$centre", label="Abnormal"}')),
        lines("Uncertain by centre", "Share of calls with a label close to its threshold.", Unit.SHARE,
              _share("xray_centre_uncertain_total")),
        lines("Disagreement by centre", "Share of calls with a label on which the backbones differ.", Unit.SHARE,
              _share("xray_centre_disagreement_total")),
        bars("Not called, by reason", "Specimens that the models did not call, since the classifiers started.",
             Unit.COUNT,
             (f"sum by (centre, reason) (xray_calls_abstained_total{_ONLY})", "{{centre}} {{reason}}")),
        bars("Not called among the first 50", "Share of a centre's first specimens. CentreUnfamiliar fires at a fifth.",
             Unit.SHARE,
             (f'max by (centre) (xray_ledger_first_specimens{{centre=~"$centre", outcome="abstained"}})'
              f" / sum by (centre) (max by (centre, outcome) (xray_ledger_first_specimens{_ONLY}))", "{{centre}}")),
        bars("Controls", "Specimens sent as controls. ControlsMissing fires below 8.", Unit.COUNT,
             (f"max by (centre) (xray_ledger_controls{_ONLY})", "{{centre}}")),
    ),
)  # fmt: skip

_DRIFT: Final = PanelRow(
    "Drift",
    (
        lines("Drift against its limit",
              "Population stability index of the worst measure, as a multiple of its limit. CentreDrift fires at 1.",
              Unit.COUNT,
              (f"max by (centre) (xray_centre_drift_index{_ONLY} / xray_centre_drift_limit_index{_ONLY})",
               "{{centre}}"), limit=1),
        table("Largest indices", "Centre and measure of the newest closed window.", Unit.COUNT,
              (f"topk(10, max by (centre, measure) (xray_centre_drift_index{_ONLY}))", "{{centre}} {{measure}}"),
              width=8),
        bars("Since the last window with images", "CentreSilent fires at four days.", Unit.SECONDS,
             (f"time() - max by (centre) (xray_centre_window_end_timestamp_seconds{_KNOWN})", "{{centre}}")),
    ),
)  # fmt: skip

CENTRES: Final = Screen(
    "xray-centres",
    "Centres",
    "Does each centre send images, what happens to them, and have they drifted?",
    (_RECEIVED, _CALLS, _DRIFT),
    by_centre=True,
)
