"""The pictures of the report that show predictions: one file per question, with all models in it."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from training.evaluation.summary import MEAN, paper_auc
from training.metrics.ranking import LEVELS
from training.plots.bars import LevelMean, draw_confusion, draw_groups, draw_inputs, draw_level_means
from training.plots.curves import draw_abstention, draw_reliability, draw_roc
from training.plots.style import assemble
from training.report.findings import Findings, RunFindings

LEVEL_MEANS: Final = "level-means.png"
INPUTS: Final = "inputs.png"
ABSTENTION: Final = "abstention.png"
ROC: Final = "roc.png"
RELIABILITY: Final = "reliability.png"
CENTRES: Final = "centres.png"
SEVERITY: Final = "severity.png"
KINDS: Final = "kinds.png"
CONFUSION: Final = "confusion.png"

Draw = Callable[[Path], None]


def draw_all(findings: Findings, folder: Path, on_progress: Callable[[str], None]) -> None:
    """Write all pictures; `on_progress` is called with the name of each before it is drawn."""
    for name, draw in _of_all_runs(findings).items():
        on_progress(name)
        draw(folder / name)
    for name, panels in _panels(findings).items():
        on_progress(name)
        with TemporaryDirectory() as parts:
            paths = [Path(parts) / f"{number}.png" for number in range(len(panels))]
            for draw, path in zip(panels, paths, strict=True):
                draw(path)
            assemble(folder / name, paths)


def has_inputs(findings: Findings) -> bool:
    """Whether there are several inputs or seeds; otherwise their figure would only repeat the level means."""
    return len({group.input for group, _ in findings.auc}) > 1 or any(len(group.runs) > 1 for group, _ in findings.auc)


def level_means(findings: Findings) -> list[LevelMean]:
    """Mean AUC of each level of each group, with the paper's."""
    return [
        LevelMean(
            name=group.name,
            level=row.level,
            auc=row.auc_mean,
            low=row.low,
            high=row.high,
            paper=paper_auc(group.model, group.input, row.level, MEAN),
        )
        for group, rows in findings.auc
        for row in rows
        if row.label == MEAN
    ]


def _of_all_runs(findings: Findings) -> dict[str, Draw]:
    """Pictures that show all runs in the same axes."""
    test_set = findings.test_set
    abnormal = float(test_set.labels[test_set.known[:, 0], 0].mean())
    curves = [(run.name, run.abstention) for run in findings.runs]
    pictures: dict[str, Draw] = {
        LEVEL_MEANS: lambda path: draw_level_means(path, level_means(findings)),
        ABSTENTION: lambda path: draw_abstention(path, curves, max(abnormal, 1 - abnormal)),
    }
    if has_inputs(findings):
        pictures[INPUTS] = lambda path: draw_inputs(path, _seeds(findings))
    return pictures


def _panels(findings: Findings) -> dict[str, list[Draw]]:
    """Pictures with one panel for each run that has something to show."""
    panels: dict[str, list[Draw]] = {}
    for run in findings.runs:
        for name, draw in _of_run(run).items():
            panels.setdefault(name, []).append(draw)
    return panels


def _of_run(run: RunFindings) -> dict[str, Draw]:
    panels: dict[str, Draw] = {
        ROC: lambda path: draw_roc(path, run.predictions, f"ROC, {run.name}"),
        RELIABILITY: lambda path: draw_reliability(path, run.predictions, f"Reliability, {run.name}"),
        CENTRES: lambda path: draw_groups(path, run.centres, f"Level-1 AUC by centre, {run.name}"),
        CONFUSION: lambda path: draw_confusion(path, run.confusion, f"Level-3 labels called, {run.name}"),
    }
    if run.severity:
        panels[SEVERITY] = lambda path: draw_groups(path, run.severity, f"Level-1 AUC by severity, {run.name}")
    if run.kinds:
        title = f"Level-1 AUC by kind of abnormality, each against all normal specimens, {run.name}"
        panels[KINDS] = lambda path: draw_groups(path, [one.auc for one in run.kinds], title)
    return panels


def _seeds(findings: Findings) -> list[tuple[str, dict[int, dict[str, tuple[float, ...]]]]]:
    """Level-mean AUC of each seed, by model and configuration, level and input."""
    models: dict[str, dict[int, dict[str, tuple[float, ...]]]] = {}
    for group, rows in findings.auc:
        levels = models.setdefault(f"{group.model} {group.config}", {level: {} for level in LEVELS})
        for row in rows:
            if row.label == MEAN:
                levels[row.level][group.input] = row.per_seed
    return list(models.items())
