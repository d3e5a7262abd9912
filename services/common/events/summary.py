"""Calls and reviews as short text."""

from services.common.events import PhenotypeCall, Review


def describe_call(call: PhenotypeCall) -> str:
    """Return the labels of the call, `normal`, `abnormal elsewhere` or `abnormal`."""
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
