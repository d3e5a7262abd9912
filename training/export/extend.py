"""Export trained versions again, with the outputs of the decision layer and without training them.

The constants of these outputs come from specimens of the version's own training set: normal ones that it learnt from,
and validation specimens.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from services.common.errors import Rejected
from services.common.model_card import ModelCard
from services.registry.repository import FILE
from training.datasets.make import Progress, make_training_set
from training.datasets.recipe import Part, Recipe
from training.datasets.store import SetFolder, Subset
from training.export.familiarity import describe
from training.export.graph import PARITY, check_parity, export_onnx, extra_outputs, make_golden, sha256
from training.export.repository import read_cards, write_version
from training.export.retarget import read_version_golden
from training.export.tensorrt_rules import check_tensorrt_rules
from training.export.weights import FILE as WEIGHTS
from training.export.weights import read_backbone, read_size
from training.models.output import Calibration, ServedBackbone
from training.models.registry import BACKBONES

NORMAL: Final = 700
VALIDATION: Final = 700
"""Specimens from which the constants come: the first of the training set."""


def make_specimens(folder: Path, recipe: Recipe, on_progress: Progress) -> tuple[Subset, Subset]:
    """Make the specimens that are needed of a training set; returns normal training ones and validation ones."""
    rows = _first(recipe, "train", NORMAL, normal=True), _first(recipe, "validation", VALIDATION, normal=False)
    store = make_training_set(folder, recipe, on_progress, only=frozenset(rows[0] + rows[1]))
    return _chosen(store, "train", rows[0]), _chosen(store, "validation", rows[1])


def _first(recipe: Recipe, part: Part, count: int, *, normal: bool) -> list[int]:
    """Return the indices of the first specimens of a part; nothing is rendered to find them."""
    found: list[int] = []
    for index in range(recipe.specimens):
        specimen = recipe.specimen(index)
        if len(found) == count:
            break
        if specimen.abnormal_elsewhere or (normal and specimen.level1):
            continue
        if recipe.part(index, specimen.biological_sample_id) == part:
            found.append(index)
    return found


def _chosen(store: SetFolder, part: Part, rows: list[int]) -> Subset:
    subset = store.subset(part)
    kept = np.flatnonzero(np.isin(subset.rows, rows))
    centres = tuple(subset.centres[row] for row in kept.tolist())
    return replace(subset, rows=subset.rows[kept], labels=subset.labels[kept], centres=centres)


def extend(repository: Path, train: Subset, validation: Subset, on_step: Callable[[str], None]) -> list[ModelCard]:
    """Export the newest version of each model in a repository again, in place; returns the new cards.

    Raises Rejected `probabilities_differ` if the new graph does not give the version's golden probabilities, and the
    errors of `read_backbone` and `export_onnx`.
    """
    return [_extend(repository, name, train, validation, on_step) for name in BACKBONES]


def _extend(
    repository: Path, name: str, train: Subset, validation: Subset, on_step: Callable[[str], None]
) -> ModelCard:
    on_step(name)
    cards = read_cards(repository / name / FILE)
    if not cards:
        raise Rejected("no_models", f"{repository / name} holds no version: name another repository")
    card = cards[max(cards)]
    version = repository / name / str(card.version)
    described, outputs = describe(_served(version, card), train, validation)
    golden = read_version_golden(version)
    file = export_onnx(described, card.tensor_side)
    check_tensorrt_rules(file)
    check_parity(file, described, golden.images.copy())
    new_golden = make_golden(file, golden.images)
    difference = golden.largest_difference(new_golden.outputs)
    if difference > PARITY:
        message = f"{name} version {card.version} would change its probabilities by {difference:.1e}: train it again"
        raise Rejected("probabilities_differ", message, difference=difference)
    stored = outputs.file()
    new = card.model_copy(
        update={
            "onnx_sha256": sha256(file),
            "golden_sha256": new_golden.digest(),
            "validation_sha256": sha256(stored),
            "outputs": extra_outputs(file),
        }
    )
    weights = (version / WEIGHTS).read_bytes()
    write_version(new, file, new_golden, weights=weights, validation=stored, repository=repository)
    return new


def _served(version: Path, card: ModelCard) -> ServedBackbone:
    backbone = read_backbone(version, card.model, read_size(version), sha256=card.weights_sha256)
    return ServedBackbone(backbone, _calibration(version / "model.onnx", card)).eval()


def _calibration(graph: Path, card: ModelCard) -> Calibration:
    """Read the calibration from a graph; raises Rejected `calibration_differs` if it is not the card's."""
    constants = {tensor.name: tensor for tensor in onnx.load(str(graph)).graph.initializer}
    calibration = Calibration()
    for name in ("scale", "shift"):
        values = numpy_helper.to_array(constants[f"calibration.{name}"])
        getattr(calibration, name).copy_(torch.from_numpy(values.copy()))
    if calibration.digest() != card.calibration_digest:
        raise Rejected("calibration_differs", f"the calibration in {graph} is not that of its card")
    return calibration
