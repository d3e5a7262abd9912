"""What the classifier alone exports: how the calls come out, and which models make them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

CALLS: Final = Counter("xray_calls_total", "Calls published.")
UNCERTAIN: Final = Counter("xray_calls_uncertain_total", "Calls with at least one uncertain label.")
DISAGREEMENT: Final = Counter(
    "xray_calls_disagreement_total", "Calls with at least one label on which the backbones differ."
)
LABELS: Final = Counter(
    "xray_call_labels_total",
    "Calls by label (`Abnormal` and the thirteen) and finding: `positive`, `uncertain` or `disagreement`.",
    ["label", "finding"],
)
DIFFERENCE: Final = Histogram(
    "xray_backbone_level1_difference",
    "Largest difference between the backbones' calibrated level-1 probabilities of a call.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1),
)
MODEL: Final = Gauge(
    "xray_active_model_info",
    "Always 1; one series a backbone that makes calls now.",
    ["model", "version", "training_digest", "calibration_digest"],
)
ACTIVATION: Final = Gauge(
    "xray_model_activation", "Number of the activation in force; every promotion or rollback adds one."
)
