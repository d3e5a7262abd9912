"""Calls, reviews and model versions as short text."""

from collections.abc import Mapping

from services.common.events import CallAbstention, PhenotypeCall, Review


def describe_call(call: PhenotypeCall | CallAbstention) -> str:
    """Return the labels of the call, `normal`, `abnormal elsewhere` or `abnormal`, or why it was not called."""
    if isinstance(call, CallAbstention):
        return f"abstained: {', '.join(call.reasons)}"
    labels = [label for label, bit in zip(call.labels, call.vector, strict=True) if bit]
    if labels:
        return ", ".join(labels)
    if call.abnormal_elsewhere:
        return "abnormal elsewhere"
    return "abnormal" if call.abnormal else "normal"


def describe_review(review: Review) -> str:
    """Return the verdicts of the review, for example `abnormal Spine, Fusion; normal Ribs`."""
    verdicts = {
        "abnormal": review.labels("abnormal"),
        "normal": review.labels("normal"),
        "withdrawn": review.labels("unknown"),
    }
    return "; ".join(f"{verdict} {', '.join(labels)}" for verdict, labels in verdicts.items() if labels)


def describe_versions(versions: Mapping[str, int]) -> str:
    """Return model versions by name, for example `cae 2, convnext 2`."""
    return ", ".join(f"{model} {version}" for model, version in sorted(versions.items()))
