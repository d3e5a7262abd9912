"""The part of `report.md` about the inside of one model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.explain.heat_maps import FEWEST
from training.explain.inspection import InspectedModels
from training.explain.localisation import Localisation
from training.explain.reconstruction import PAPER_MSE, PAPER_SSIM
from training.report.markdown import estimate, number, picture, share, table
from training.train.history import best_epoch


def inside_section(opened: InspectedModels) -> list[str]:
    """Lines about one model, figures included."""
    parts = _training, _heat, _sheets, _maps, _reconstruction, _centre
    return [f"## Inside {opened.name}", "", *(line for part in parts for line in part(opened))]


def _training(opened: InspectedModels) -> list[str]:
    lines = ["### Training", ""]
    if opened.epochs:
        seconds = [epoch.seconds for epoch in opened.epochs]
        rows = [
            ["epochs", str(len(seconds))],
            ["best epoch (smallest validation loss)", str(best_epoch(opened.epochs))],
            ["seconds an epoch, mean", number(float(np.mean(seconds)), 1)],
            ["minutes of epochs in all", number(sum(seconds) / 60, 1)],
        ]
        if opened.clock is not None:
            rows += [[f"{part} specimens", str(count)] for part, count in opened.clock.specimens.items()]
            rows.append(["minutes of simulating them", number(opened.clock.minutes.get("data"), 1)])
        lines += table(("", ""), rows) + picture(opened.picture("learning"), "Learning curves")
    else:
        lines += ["The weights were taken from a model repository, which keeps no record of their epochs.", ""]
    words = "The paper trained on an RTX 3090 Ti in 145 to 165 minutes (ConvNeXt) and 65 to 75 (CAE)."
    return [*lines, words, ""]


def _heat(opened: InspectedModels) -> list[str]:
    lines = ["### Heat on the altered bones", ""]
    if not opened.heat:
        return [*lines, "Nobody knows which bones of these specimens are altered, so nothing is measured.", ""]
    sources = [one.source for one in opened.heat]
    lines += [
        "Share of a label's heat in both views that lies on the bones that set it (cells of 56x56), over the specimens "
        "that have the label, with its 95 % bootstrap interval (from three specimens on). *area* is what evenly spread "
        "heat has there, *bones* "
        "what heat has that lies on the skeleton but not where it is altered. A map of both views together counts at "
        "its place in each of them: it cannot tell them apart. Specimens in which nothing speaks for the label have no "
        "heat and are left out. *Bone head* is no Grad-CAM: it is the probability that the model itself gives each "
        "place of being altered for the label, which it learnt from the simulator.",
        "",
        *_heat_table("label", sources, [one.labels for one in opened.heat]),
        "The same for level 1 and all altered bones, by kind of abnormality, over the specimens with this one finding:",
        "",
        *_heat_table("kind", sources, [one.kinds for one in opened.heat]),
    ]
    return lines


def _heat_table(first: str, sources: Sequence[str], columns: Sequence[Sequence[Localisation]]) -> list[str]:
    """A row a label or kind, its baselines, then each source's share and its multiple of the area."""
    header = [first, "specimens", "area", "bones", *(f"{source} (times area)" for source in sources)]
    rows = []
    for of_sources in zip(*columns, strict=True):
        fullest = max(of_sources, key=lambda one: one.specimens)
        if fullest.specimens:
            baselines = number(fullest.area), number(fullest.skeleton)
            rows.append([fullest.name, str(fullest.specimens), *baselines, *map(_with_gain, of_sources)])
    return table(header, rows)


def _with_gain(found: Localisation) -> str:
    if not found.specimens:
        return "no heat in any"
    value = estimate(found.heat) if found.specimens >= FEWEST else number(found.heat.value)
    blind = f", {found.blind} without heat" if found.blind else ""
    return f"{value} ({number(found.gain, 1)}{blind})"


def _sheets(opened: InspectedModels) -> list[str]:
    words = (
        "For each label the most probable, the median and the least probable of its positive specimens. Altered bones "
        "are outlined; each source's heat is scaled to its largest value in the two views."
    )
    lines = ["### Heat over the views", "", words, ""]
    for label in opened.sheets:
        lines += picture(opened.picture(f"heat-{label}"), f"Heat of {label}")
    return lines


def _maps(opened: InspectedModels) -> list[str]:
    words = "The channels that differ most from place to place, in the abnormal specimen that the model is surest of."
    return ["### Feature maps", "", words, "", *picture(opened.picture("maps"), "Feature maps")]


def _reconstruction(opened: InspectedModels) -> list[str]:
    found = opened.reconstruction
    if found is None:
        return []
    rows = [[one.name, str(one.specimens), _spread(one.mse, 5), _spread(one.ssim, 4)] for one in found.groups]
    rows.append(["paper (other data)", "", _spread(PAPER_MSE, 5), _spread(PAPER_SSIM, 4)])
    words = (
        "Mean and standard deviation over test specimens, all three channels in 0..1. As a score of level 1 the error "
        f"alone has an AUC of {estimate(found.level1_auc)}."
    )
    return [
        "### Reconstruction",
        "",
        words,
        "",
        *table(("specimens", "number", "MSE", "SSIM"), rows),
        *picture(opened.picture("rebuilt"), "Histograms of reconstruction error and similarity"),
        *picture(opened.picture("rebuilt-examples"), "Originals beside their reconstructions"),
    ]


def _centre(opened: InspectedModels) -> list[str]:
    found = opened.centre
    lines = ["### Centre from the features", ""]
    if found is None:
        return [*lines, "Too few specimens of two centres to try.", ""]
    right = f"{share(found.accuracy.value)} ({share(found.accuracy.low)} to {share(found.accuracy.high)})"
    words = (
        "A logistic regression from what the heads read to the centre, five-fold cross-validated on the test "
        f"specimens, is right for {right} of {found.specimens} specimens of {found.centres} centres; always naming the "
        f"commonest centre, for {share(found.chance)}. "
    )
    if found.accuracy.low > found.chance:
        words += "So the features hold the centre's manner; whether the labels profit from it is what the AUC within "
        words += "centres, at unseen centres and the shortcut check tell."
    else:
        words += "Nothing shows that the features hold the centre's manner."
    return [*lines, words, ""]


def _spread(values: tuple[float, float], digits: int) -> str:
    return f"{number(values[0], digits)} ± {number(values[1], digits)}"
