"""Calls and reviews as short text."""

from __future__ import annotations

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


CALL_COLUMNS = ("specimen", "centre", "call", "P(abnormal)#", "uncertain", "images#")


def call_row(call: PhenotypeCall, *more: object) -> tuple[object, ...]:
    """Return the cells of `CALL_COLUMNS`."""
    return (
        call.biological_sample_id,
        call.centre,
        describe_call(call),
        f"{call.consensus.level1:.2f}",
        ", ".join(call.uncertain),
        call.revision,
        *more,
    )
