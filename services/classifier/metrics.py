"""Metrics that only the classifier exports: the results of the calls and the models that make them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, get_args

from prometheus_client import Counter, Gauge, Histogram

from services.common.decision.familiarity import AbstentionReason
from services.common.events import CallAbstention, PhenotypeCall, ShadowCall
from services.common.labels import LABEL_ORDER
from services.common.metrics import centre_label

if TYPE_CHECKING:
    from services.registry.triton_client import ServedModel

CALLS: Final = Counter("xray_calls_total", "Calls published.")
ABSTAINED: Final = Counter(
    "xray_calls_abstained_total",
    "Specimens that were not called, by centre and reason; one with several reasons counts for each.",
    ["centre", "reason"],
)
UNCERTAIN: Final = Counter("xray_calls_uncertain_total", "Calls with at least one uncertain label.")
DISAGREEMENT: Final = Counter(
    "xray_calls_disagreement_total", "Calls with at least one label on which the backbones differ."
)
LABELS: Final = Counter(
    "xray_call_labels_total",
    "Calls by label (`Abnormal` and the thirteen) and finding: `positive`, `uncertain` or `disagreement`.",
    ["label", "finding"],
)
for _label in LABEL_ORDER:
    for _finding in ("positive", "uncertain", "disagreement"):
        LABELS.labels(_label, _finding)  # so that a rate starts at 0, not at the first finding
DIFFERENCE: Final = Histogram(
    "xray_backbone_level1_difference",
    "Largest difference between the backbones' calibrated level-1 probabilities of a call.",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1),
)
MODEL: Final = Gauge(
    "xray_active_model_info",
    "Always 1; one series per backbone that makes calls now.",
    ["model", "version", "training_digest", "calibration_digest"],
)
ACTIVATION: Final = Gauge(
    "xray_model_activation", "Number of the activation in force; every promotion or rollback adds one."
)
FALLEN_BACK: Final = Gauge(
    "xray_model_fallback", "1 while the newest activation's versions cannot serve: earlier ones serve instead, or none."
)
REFERENCE: Final = Gauge(
    "xray_reference_activation", "Number of the record that activated the reference of controls in use; 0 without one."
)
REFERENCE_FALLEN_BACK: Final = Gauge(
    "xray_reference_fallback", "1 while the newest reference cannot be read: the one before it, or none, is used."
)
IGNORED: Final = Gauge(
    "xray_activations_ignored",
    "Records on `models.active` that cannot be read or do not follow from the one before; the last sound set serves.",
)
RELOADS: Final = Counter(
    "xray_model_reloads_total",
    "Number of times that a version which should serve was lost and loaded again.",
    ["model", "version"],
)
SHADOW_SHARE: Final = Gauge(
    "xray_shadow_share", "Share of the specimens that the candidate in shadow sees; 0 when there is no candidate."
)
SHADOW_SPECIMENS: Final = Counter(
    "xray_shadow_specimens_total",
    "Called specimens meant for the candidate in shadow: `compared`, `dropped` because it was behind, or `failed`.",
    ["outcome"],
)
for _outcome in ("compared", "dropped", "failed"):
    SHADOW_SPECIMENS.labels(_outcome)
SHADOW_ERRORS: Final = Counter(
    "xray_shadow_errors_total",
    "Failures of the candidate in shadow or of a server it needs, by kind: gRPC's name, `no_probabilities`, "
    "`contract`, `kafka`, the object store's name, `internal`.",
    ["kind"],
)
SHADOW_FAILING: Final = Gauge(
    "xray_shadow_failing", "1 from a failure of the candidate in shadow until it answers again or is stopped."
)
SHADOW_DIFFERENCES: Final = Counter(
    "xray_shadow_differences_total",
    "Compared specimens on which the candidate and the call differ, by label (`Abnormal` and the thirteen).",
    ["label"],
)
for _label in LABEL_ORDER:
    SHADOW_DIFFERENCES.labels(_label)
SHADOW_SECONDS: Final = Histogram(
    "xray_shadow_answer_seconds",
    "Triton's response time for the candidate in shadow.",
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def count_call(call: PhenotypeCall) -> None:
    """Count a call that the broker has acknowledged."""
    CALLS.inc()
    for reason in get_args(AbstentionReason):  # makes the series, so that a panel shows zero and not nothing
        ABSTAINED.labels(centre_label(call.centre), reason)
    positive = [label for label, bit in zip(call.labels, call.vector, strict=True) if bit]
    if call.abnormal:
        positive.append("Abnormal")
    findings = {"positive": positive, "uncertain": call.uncertain, "disagreement": call.disagreement}
    for finding, labels in findings.items():
        for label in labels:
            LABELS.labels(label, finding).inc()
    UNCERTAIN.inc(bool(call.uncertain))
    DISAGREEMENT.inc(bool(call.disagreement))
    level1 = [model.probabilities.level1 for model in call.models]
    DIFFERENCE.observe(max(level1) - min(level1))


def count_abstention(event: CallAbstention) -> None:
    """Count a specimen that was not called, once the broker has acknowledged it."""
    for reason in event.reasons:
        ABSTAINED.labels(centre_label(event.centre), reason).inc()


def count_shadow(compared: ShadowCall) -> None:
    """Count a comparison that the broker has acknowledged."""
    SHADOW_SPECIMENS.labels("compared").inc()
    SHADOW_SECONDS.observe(compared.seconds)
    for label in compared.differs:
        SHADOW_DIFFERENCES.labels(label).inc()


def show_models(activation: int, backbones: Iterable[ServedModel]) -> None:
    """Show the versions that make the calls from now on and clear those that did before."""
    MODEL.clear()
    for one in backbones:
        MODEL.labels(one.model, one.version, one.card.training_digest, one.card.calibration_digest).set(1)
    ACTIVATION.set(activation)
