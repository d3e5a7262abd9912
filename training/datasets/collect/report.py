"""`report.md` of a dataset: its contents, what was left out and why, and where statements disagree."""

from collections.abc import Iterable, Sequence
from typing import Final

from training.datasets.collect.draft import DatasetDraft
from training.markdown import table

REPORT: Final = "report.md"
_NAMED: Final = 50
"""Limit on specimens that are named for one reason; the count includes all."""
MEANING: Final = {
    "abnormal_elsewhere": "abnormal, but in none of the thirteen labels",
    "conflicting_records": "the centre's records contradict each other, and no review resolves it",
    "identity_conflict": "the id stands for several mice",
    "level1_unknown": "unknown whether it is abnormal, so no level can be learned",
    "file_too_large": "the object under its tensor's key is far too large",
    "no_label": "it has no label from any source",
    "no_tensor": "it has labels, but neither a current call nor a simulated tensor",
    "nothing_scored": "the label set scored none of its observations",
    "object_missing": "its tensor is not in object storage",
    "other_preprocessing": "its current call is from another preprocessing version: reprocess it",
    "refused_by_intake": "simulated pictures that intake rejected",
    "tensor_differs": "its tensor does not have the digest in its call",
    "tensor_shape": "its tensor has another shape",
    "unreadable_value": "a value of the label set could not be read, and no review resolves it",
}
"""Meaning of each reason for which a specimen is left out."""


def as_markdown(draft: DatasetDraft) -> str:
    """The report; the same draft gives the same text."""
    description = draft.description()
    evaluation = description.evaluation
    parts = ", ".join(f"{number} {part}" for part, number in description.specimens.items())
    lines = [
        f"# Dataset {description.digest[:12]}",
        "",
        f"{len(draft.rows)} specimens ({parts}), preprocessing {description.preprocessing_version}. Evaluation set "
        f"{evaluation.generation}: {evaluation.specimens} specimens, {evaluation.relabelled} of them with labels that "
        f"have changed since they joined; {evaluation.waiting} more test specimens are not in it yet.",
        "",
        *_table(
            ("label", "abnormal", "normal", "missing"),
            ((name, one.positives, one.negatives, one.missing) for name, one in description.labels.items()),
        ),
        *_table(("source of labels", "labels"), description.label_sources.items()),
        *_table(("centre", "specimens"), description.centres.items()),
        "## Left out",
        "",
        *_table(
            ("reason", "specimens", "meaning", "which"), (_left_out(*one) for one in sorted(draft.left_out.items()))
        ),
        "## Conflicts",
        "",
        *_table(
            ("specimen", "label", "kind", "kept", "overruled"),
            ((one.specimen, one.label, one.kind, one.kept, one.overruled) for one in draft.conflicts),
        ),
    ]
    return "\n".join(lines)


def _left_out(reason: str, specimens: Sequence[str]) -> tuple[object, ...]:
    named = ", ".join(sorted(specimens)[:_NAMED]) + (", ..." if len(specimens) > _NAMED else "")
    return reason, len(specimens), MEANING[reason], named


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    listed = list(rows)
    return [table(head, listed) if listed else "None.", ""]
