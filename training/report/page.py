"""The text of `report.md`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from services.common.labels import LABEL_ORDER
from training.evaluation.summary import MEAN, AucRow, Group, paper_auc
from training.explain.inspection import InspectedModels
from training.metrics.ranking import RESAMPLES, Estimate
from training.report.figures import ABSTENTION, INPUTS, LEVEL_MEANS, has_inputs
from training.report.findings import Findings, RunFindings
from training.report.inside import inside_section
from training.report.markdown import estimate, number, picture, table
from training.report.sections import run_section

DATA_DIFFER = (
    "**The data differ.** The paper (Jawaid et al., J. Imaging 2025, 11(10), 348) judged its models on X-rays of the "
    "International Mouse Phenotyping Consortium; the figures named *ours* are of the test set described here. The "
    "paper's figures stand beside ours as a landmark, not as a comparison of models."
)


def page(findings: Findings, inside: Sequence[InspectedModels] = ()) -> str:
    """The whole page; `inside` are the models that were opened."""
    lines = ["# Evaluation", "", *_test_set(findings), DATA_DIFFER, "", *_auc(findings)]
    lines += ["## Single runs in detail", "", _detail_words(findings), ""]
    lines += picture(ABSTENTION, "Accuracy and AUC against the share of specimens called")
    for run in findings.runs:
        lines += run_section(run)
    lines += _shortcut(findings)
    for opened in inside:
        lines += inside_section(opened)
    return "\n".join(lines).rstrip("\n") + "\n"


def _test_set(findings: Findings) -> list[str]:
    test_set = findings.test_set
    known = int(test_set.known[:, 0].sum())
    abnormal = int(test_set.abnormal.sum())
    words = f"{len(test_set)} test specimens of {len(set(test_set.centres))} centres: {abnormal} abnormal, "
    words += f"{known - abnormal} normal"
    words += f", {len(test_set) - known} not scored." if known < len(test_set) else "."
    return [words, ""]


def _auc(findings: Findings) -> list[str]:
    lines = ["## AUC", ""]
    lines += [
        "Mean over seeds, standard deviation over seeds (one seed has none), and the 95 % interval of the mean from "
        f"{RESAMPLES} bootstrap samples of the test specimens. Levels 2 and 3 are scored among abnormal specimens, as "
        "in the paper; a missing label counts neither way. The paper's level-3 mean is over the nine labels it prints "
        "(not Fusion); of single views it gives the means of levels 2 and 3. All of it as numbers: [auc.csv](auc.csv).",
        "",
    ]
    lines += picture(LEVEL_MEANS, "Level means beside the paper's")
    if has_inputs(findings):
        lines += picture(INPUTS, "Level means of single views and both views over seeds")
    for (config, views), found in groupby(findings.auc, key=lambda item: (item[0].config, item[0].input)):
        lines += [f"### {_VIEWS[views]}, configuration `{config}`", "", *_auc_table(list(found))]
    return lines


_VIEWS = {"MV": "Both views (MV)", "DV": "DV only", "LAT": "LAT only"}


def _auc_table(groups: list[tuple[Group, tuple[AucRow, ...]]]) -> list[str]:
    first = groups[0][1]
    names = [f"**Level {row.level}, mean**" if row.label == MEAN else row.label for row in first]
    columns = [names, [str(row.specimens) for row in first]]
    header = ["label", "specimens"]
    for group, rows in groups:
        seeds = f" ({len(group.runs)} seeds)" if len(group.runs) > 1 else ""
        header.append(f"{group.model}, ours{seeds}")
        columns.append([_ours(row) for row in rows])
        paper = [paper_auc(group.model, group.input, row.level, row.label) for row in rows]
        if any(value is not None for value in paper):
            header.append(f"{group.model}, paper")
            columns.append([number(value) for value in paper])
    return table(header, list(zip(*columns, strict=True)))


def _ours(row: AucRow) -> str:
    value = Estimate(row.auc_mean, row.low, row.high)
    spread = f" ± {number(row.auc_sd)}" if len(row.per_seed) > 1 else ""
    return f"{number(value.value)}{spread} ({number(value.low)} to {number(value.high)})"


def _detail_words(findings: Findings) -> str:
    names = ", ".join(run.name for run in findings.runs)
    return f"The rest is about one run of each model, the one with the lowest seed: {names}."


def _shortcut(findings: Findings) -> list[str]:
    """The check for each training set; runs that share one give the same numbers."""
    training_sets: list[RunFindings] = []
    for run in findings.runs:
        prevalence = run.predictions.origin.training_prevalence
        if all(other.predictions.origin.training_prevalence != prevalence for other in training_sets):
            training_sets.append(run)
    rows = [
        [label, *(estimate(run.labels[column].centre_alone) for run in training_sets)]
        for column, label in enumerate(LABEL_ORDER)
    ]
    words = (
        "AUC of each label predicted from the specimen's centre alone, by the label's prevalence there in training: "
        "what a model could score by recognising the centre. Where the interval holds 0.5, nothing shows that the "
        "centre gives the label away."
    )
    header = ["label", *(f"training set of {run.name}" for run in training_sets)]
    return ["## Shortcut check", "", words, "", *table(header, rows)]
