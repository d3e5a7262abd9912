"""The figures of the report folder: what is drawn under which name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from training.evaluation.summary import MEAN, paper_auc
from training.metrics.ranking import LEVELS
from training.report.findings import Findings, RunFindings
from training.report.plots.bars import LevelMean, draw_confusion, draw_groups, draw_inputs, draw_level_means
from training.report.plots.curves import draw_abstention, draw_reliability, draw_roc

LEVEL_MEANS = "level-means.png"
INPUTS = "inputs.png"
ABSTENTION = "abstention.png"


def figure_name(kind: str, run: RunFindings) -> str:
    """File name of a figure of one run: `roc-convnext-small-mv-seed-1.png`."""
    return f"{kind}-{re.sub(r'[^a-z0-9.]+', '-', run.name.lower())}.png"


def draw_all(findings: Findings, folder: Path, tell: Callable[[str], None]) -> None:
    """Write all figures; `tell` is told the name of each before it is drawn."""
    for name, draw in _shared(findings) + [item for run in findings.runs for item in _of_run(run)]:
        tell(name)
        draw(folder / name)


def has_inputs(findings: Findings) -> bool:
    """Whether there are several inputs or seeds, without which their figure says no more than the level means."""
    return len({group.input for group, _ in findings.auc}) > 1 or any(len(group.runs) > 1 for group, _ in findings.auc)


def level_means(findings: Findings) -> list[LevelMean]:
    """Mean AUC of each level of each group beside the paper's."""
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


Drawn = tuple[str, Callable[[Path], None]]


def _shared(findings: Findings) -> list[Drawn]:
    test_set = findings.test_set
    abnormal = float(test_set.labels[test_set.known[:, 0], 0].mean())
    curves = [(run.name, run.abstention) for run in findings.runs]
    figures: list[Drawn] = [
        (LEVEL_MEANS, lambda path: draw_level_means(path, level_means(findings))),
        (ABSTENTION, lambda path: draw_abstention(path, curves, max(abnormal, 1 - abnormal))),
    ]
    if has_inputs(findings):
        figures.append((INPUTS, lambda path: draw_inputs(path, _seeds(findings))))
    return figures


def _of_run(run: RunFindings) -> list[Drawn]:
    figures: list[Drawn] = [
        (figure_name("roc", run), lambda path: draw_roc(path, run.predictions, f"ROC, {run.name}")),
        (
            figure_name("reliability", run),
            lambda path: draw_reliability(path, run.predictions, f"Reliability, {run.name}"),
        ),
        (
            figure_name("centres", run),
            lambda path: draw_groups(path, run.centres, f"Level-1 AUC by centre, {run.name}"),
        ),
        (
            figure_name("confusion", run),
            lambda path: draw_confusion(path, run.confusion, f"Level-3 labels called, {run.name}"),
        ),
    ]
    if run.severity:
        title = f"Level-1 AUC by severity, {run.name}"
        figures.append((figure_name("severity", run), lambda path: draw_groups(path, run.severity, title)))
    if run.kinds:
        kinds = [one.auc for one in run.kinds]
        words = f"Level-1 AUC by kind of abnormality, each against all normal specimens, {run.name}"
        figures.append((figure_name("kinds", run), lambda path: draw_groups(path, kinds, words)))
    return figures


def _seeds(findings: Findings) -> list[tuple[str, dict[int, dict[str, tuple[float, ...]]]]]:
    """Level-mean AUC of each seed, by model and configuration, level and input."""
    models: dict[str, dict[int, dict[str, tuple[float, ...]]]] = {}
    for group, rows in findings.auc:
        levels = models.setdefault(f"{group.model} {group.config}", {level: {} for level in LEVELS})
        for row in rows:
            if row.label == MEAN:
                levels[row.level][group.input] = row.per_seed
    return list(models.items())
