"""The text of `report.md`."""

from __future__ import annotations

from itertools import groupby

from training.evaluation.document.figures import ABSTENTION, INPUTS, LEVEL_MEANS
from training.evaluation.document.findings import Findings
from training.evaluation.document.markdown import number, picture, table
from training.evaluation.document.sections import run_section
from training.evaluation.measures.estimate import Estimate
from training.evaluation.measures.ranking import RESAMPLES
from training.evaluation.paper import MEAN, paper_auc
from training.evaluation.summary import AucRow, Group

DATA_DIFFER = (
    "**The data differ.** The paper (Jawaid et al., J. Imaging 2025, 11(10), 348) judged its models on X-rays of the "
    "International Mouse Phenotyping Consortium; the figures named *ours* are of the test set described here. The "
    "paper's figures stand beside ours as a landmark, not as a comparison of models."
)


def page(findings: Findings) -> str:
    """The whole page."""
    lines = ["# Evaluation", "", *_test_set(findings), DATA_DIFFER, "", *_auc(findings)]
    lines += ["## Single runs in detail", "", _detail_words(findings), ""]
    lines += picture(ABSTENTION, "Accuracy and AUC against the share of specimens called")
    for run in findings.runs:
        lines += run_section(run)
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
    lines += picture(INPUTS, "Level means of single views and both views over seeds")
    for (config, views), found in groupby(findings.auc, key=lambda item: (item[0].config, item[0].input)):
        lines += [f"### {_VIEWS[views]}, configuration `{config}`", "", *_auc_table(list(found))]
    return lines


_VIEWS = {"MV": "Both views (MV)", "DV": "DV only", "LAT": "LAT only"}


def _auc_table(groups: list[tuple[Group, tuple[AucRow, ...]]]) -> list[str]:
    header = ["label", "specimens"]
    for group, _ in groups:
        header += [f"{group.model}, ours ({len(group.runs)} seeds)" if len(group.runs) > 1 else f"{group.model}, ours"]
        header += [f"{group.model}, paper"]
    rows = []
    for index, first in enumerate(groups[0][1]):
        name = f"**Level {first.level}, mean**" if first.label == MEAN else first.label
        cells = [name, str(first.specimens)]
        for group, found in groups:
            cells += [_ours(found[index]), number(paper_auc(group.model, group.input, first.level, first.label))]
        rows.append(cells)
    return table(header, rows)


def _ours(row: AucRow) -> str:
    value = Estimate(row.auc_mean, row.low, row.high)
    spread = f" ± {number(row.auc_sd)}" if len(row.per_seed) > 1 else ""
    return f"{number(value.value)}{spread} ({number(value.low)} to {number(value.high)})"


def _detail_words(findings: Findings) -> str:
    names = ", ".join(run.name for run in findings.runs)
    return f"The rest is about one run of each model, the one with the lowest seed: {names}."
