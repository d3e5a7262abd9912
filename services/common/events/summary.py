"""A phenotype call in words."""

from __future__ import annotations

from services.common.events import PhenotypeCall, Review


def called(call: PhenotypeCall) -> str:
    """Say what the vector says: `normal`, the labels, or that it is abnormal elsewhere."""
    labels = [label for label, bit in zip(call.labels, call.vector, strict=True) if bit]
    if labels:
        return ", ".join(labels)
    if call.abnormal_elsewhere:
        return "abnormal elsewhere"
    return "abnormal" if call.abnormal else "normal"


def reviewed(review: Review) -> str:
    """Say what a review says: `abnormal Spine, Fusion; normal Ribs`."""
    said = {
        "abnormal": review.labels("abnormal"),
        "normal": review.labels("normal"),
        "withdrawn": review.labels("unknown"),
    }
    return "; ".join(f"{verdict} {', '.join(labels)}" for verdict, labels in said.items() if labels)


def row(call: PhenotypeCall, *more: object) -> tuple[object, ...]:
    """Return the cells of `COLUMNS`."""
    return (
        call.biological_sample_id,
        call.centre,
        called(call),
        f"{call.consensus.level1:.2f}",
        ", ".join(call.uncertain),
        call.revision,
        *more,
    )


COLUMNS = ("specimen", "centre", "call", "P(abnormal)#", "uncertain", "images#")
