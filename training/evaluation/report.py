"""The figures of a training run, as JSON for programs and as a table for people."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel

from training.markdown import number
from training.metrics.figures import BackboneMetrics

BEGIN: Final = "<!-- figures: written by services.cli.train.models -->"
END: Final = "<!-- end of figures -->"


class TrainingReport(BaseModel):
    """The figures of one training run. `test` has them for each backbone and for `consensus`, which makes the calls.

    `others` has the mean AUC of levels 1, 2 and 3 on further sets of specimens, by set and then as in `test`.
    """

    configuration: str
    specimens: dict[str, int]
    refused_by_intake: dict[str, int]
    training_digest: str
    epochs: dict[str, int]
    minutes: dict[str, float]
    test: dict[str, BackboneMetrics]
    others: dict[str, dict[str, tuple[float, float, float]]] = {}


def as_markdown(report: TrainingReport) -> str:
    """A table of AUC: one row per label, one column per backbone and one for their consensus."""
    names = list(report.test)
    first = report.test[names[0]]
    counts = ", ".join(f"{count} {part}" for part, count in report.specimens.items())
    lines = [
        f"Configuration `{report.configuration}`; specimens: {counts}; digest `{report.training_digest[:12]}`.",
        "",
        f"| AUC on {first.specimens} unseen simulated specimens ({first.abnormal} abnormal) | positives | "
        + " | ".join(names)
        + " |",
        "|---|---|" + "---|" * len(names),
        _row("**Level 1**, 95 % interval", first.abnormal, [_level1(report.test[name]) for name in names]),
        _row("**Level 2**, mean", "", [number(report.test[name].level2_mean_auc) for name in names]),
        _row("**Level 3**, mean", "", [number(report.test[name].level3_mean_auc) for name in names]),
    ]
    for index, label in enumerate(first.labels[1:], start=1):
        values = [number(report.test[name].labels[index].auc) for name in names]
        lines.append(_row(label.label, label.positives, values))
    for centre in first.level1_auc_by_centre:
        values = [number(report.test[name].level1_auc_by_centre[centre]) for name in names]
        lines.append(_row(f"Level 1, {centre} only", "", values))
    for other, by_name in report.others.items():
        values = [" / ".join(number(level) for level in by_name[name]) for name in names]
        lines.append(_row(f"Levels 1 / 2 / 3, {other} specimens", "", values))
    return "\n".join(lines) + "\n"


def update_page(path: Path, report: TrainingReport) -> None:
    """Replace the text between the two markers of a Markdown page; raises ValueError if they are missing."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{path} has no markers for the figures: add {BEGIN} and {END}"
        raise ValueError(msg)
    path.write_text(f"{before}{BEGIN}\n\n{as_markdown(report)}\n{END}{after}", encoding="utf-8")


def _row(name: str, positives: int | str, values: list[str]) -> str:
    return f"| {name} | {positives} | " + " | ".join(values) + " |"


def _level1(figures: BackboneMetrics) -> str:
    low, high = figures.level1_interval
    return f"{figures.level1_auc:.3f} ({low:.3f} to {high:.3f})"
