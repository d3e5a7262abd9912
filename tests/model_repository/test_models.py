"""The committed models: cards, graphs and configurations match."""

from __future__ import annotations

import numpy as np
import pytest

from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.common.preprocessing import TENSOR_SIDE, VERSION
from training.export.graph import run_onnx, sha256
from training.export.repository import read_cards
from training.export.targets import REPOSITORY
from training.models.registry import BACKBONES

CARDS = [
    pytest.param(card, id=f"{name}-{card.version}")
    for name in BACKBONES
    for card in read_cards(REPOSITORY / name / "config.pbtxt").values()
]
LARGEST_BYTES = 30_000_000


def _graph(card: ModelCard) -> bytes:
    return (REPOSITORY / card.model / str(card.version) / "model.onnx").read_bytes()


def test_both_backbones_are_committed() -> None:
    assert sorted(path.parent.name for path in REPOSITORY.glob("*/config.pbtxt")) == sorted(BACKBONES)


@pytest.mark.parametrize("card", CARDS)
def test_card_describes_its_graph(card: ModelCard) -> None:
    assert card.onnx_sha256 == sha256(_graph(card))
    assert card.labels == LABEL_ORDER
    assert card.preprocessing_version == VERSION
    assert card.tensor_side == TENSOR_SIDE


@pytest.mark.parametrize("card", CARDS)
def test_card_says_that_these_are_demo_weights(card: ModelCard) -> None:
    assert "simulated mice" in card.description
    assert card.model != "convnext" or "states no licence" in card.description


@pytest.mark.parametrize("card", CARDS)
def test_graph_gives_probabilities_that_differ_between_specimens(card: ModelCard) -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(3, 224, 224, 3), dtype=np.uint8)
    images[1] //= 4
    for output in run_onnx(_graph(card), images):
        assert ((output >= 0) & (output <= 1)).all()
        assert np.ptp(output, axis=0).max() > 0


@pytest.mark.parametrize("card", CARDS)
def test_version_runs_the_one_shared_program(card: ModelCard) -> None:
    link = REPOSITORY / card.model / str(card.version) / "model.py"
    assert link.resolve() == REPOSITORY / "model.py"


def test_weights_are_small_enough_for_the_repository() -> None:
    assert sum(path.stat().st_size for path in REPOSITORY.glob("*/*/model.onnx")) <= LARGEST_BYTES
