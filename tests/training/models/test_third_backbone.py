"""A third backbone needs its module and its line in the registry: here both are in the test."""

from pathlib import Path
from typing import Final

import pytest
import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from services.registry.inspect import inspect
from services.registry.repository import ModelRepository
from tests.training.synthetic import tiny_subset
from training.evaluation.evaluate import judge
from training.explain.heat import layers_of
from training.export.version import VersionOrigin, export_version
from training.export.weights import read_backbone, read_size
from training.models.output import Backbone, ExplainedLayer, Output, ServedBackbone
from training.models.registry import BACKBONES, build_backbone, find_backbone
from training.models.spec import BackbonePlan, BackboneSpec
from training.train.hardware import Hardware
from training.train.heads import features_of, fit_heads
from training.train.loop import BackboneTraining, weights_digest


class Strided(Backbone):
    """One strided convolution and one linear head."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, channels, kernel_size=4, stride=4), nn.ReLU())
        self.standardise = nn.Sequential(nn.BatchNorm1d(channels, affine=False))
        self.heads = nn.Linear(channels, len(LABEL_ORDER))

    def forward(self, image: Tensor) -> Output:
        return Output(self.classify(self.body(image).mean(dim=(2, 3))))

    def classify(self, features: Tensor) -> Tensor:
        logits: Tensor = self.heads(self.standardise(features))
        return logits

    def explained_layers(self) -> tuple[ExplainedLayer, ...]:
        return (ExplainedLayer("body", "convolution", self.body, per_view=False),)


STRIDED: Final = BackboneSpec(
    name="strided",
    sizes={"small": 8},
    plans={"small": BackbonePlan(epochs=1, patience=1, batch=8, learning_rate=1e-3, weight_decay=0.01)},
    build=Strided,
    describe=lambda channels: f"one convolution with {channels} channels",
    bone_heads=lambda _channels: 0,
    card_note="A note.",
)


def test_a_registered_backbone_is_trained_explained_exported_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "strided", STRIDED)
    torch.manual_seed(0)
    backbone = build_backbone("strided", "small")
    before = weights_digest(backbone)
    train, validation = tiny_subset(24, seed=1, side=64), tiny_subset(12, seed=2, side=64)
    plan = find_backbone("strided").plan("small")
    training = BackboneTraining(backbone, plan, train, validation, seed=1, hardware=Hardware("cpu"))
    assert len(training.run(tmp_path / "run", lambda *_: None)) == 1
    fresh = build_backbone("strided", "small")
    assert fit_heads(backbone, fresh, features_of(backbone, train), features_of(backbone, validation), seed=1) > 0
    assert weights_digest(backbone) != before
    assert [layer.key for layer in layers_of(backbone)] == ["body"]
    judged = judge(backbone, validation, validation)
    export_version(
        ServedBackbone(backbone, judged.calibration), judged, validation, name="strided", version=1, size="small",
        origin=VersionOrigin("digest", "24 specimens", "for a test", ()), repository=tmp_path / "models",
    )  # fmt: skip
    card = inspect(ModelRepository(tmp_path / "models"), "strided", 1).card
    assert (card.architecture, card.tensor_side) == ("one convolution with 8 channels", 64)
    version = tmp_path / "models" / "strided" / "1"
    assert read_size(version) == "small"
    assert isinstance(read_backbone(version, "strided", "small", card.weights_sha256), Strided)
