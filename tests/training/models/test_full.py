"""A few steps at the paper's size. A ConvNeXt starts from random weights here, since ImageNet's need the network."""

import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from services.common.errors import Fatal
from tests.training.synthetic import tiny_subset
from training.export.graph import PARITY, check_parity, export_onnx
from training.export.tensorrt_rules import check_tensorrt_rules
from training.models.convnext import CONVNEXT, ConvNeXtDriven, make_convnext
from training.models.front_end import ImageBridge
from training.models.output import Calibration, ServedBackbone
from training.train.hardware import Hardware
from training.train.loop import BackboneTraining

FULL = CONVNEXT.size("full")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_missing_imagenet_weights_are_an_error_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Fatal, match="no ImageNet weights of convnext_atto"):
        make_convnext("convnext_atto", from_imagenet=True)


@pytest.mark.integration
def test_full_size_trains_a_few_steps_and_exports(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = ConvNeXtDriven(replace(FULL, convnext_from_imagenet=False))
    assert sum(parameter.numel() for parameter in backbone.parameters()) > 87_000_000
    bridge = backbone.bridge
    assert isinstance(bridge, ImageBridge)
    before = bridge.project.weight.detach().clone()
    plan = replace(CONVNEXT.plan("full"), epochs=1, batch=2)
    parts = tiny_subset(4, seed=1, side=224), tiny_subset(4, seed=2, side=224)
    (epoch,) = BackboneTraining(backbone, plan, *parts, seed=1, hardware=Hardware("cpu")).run(tmp_path, lambda *_: None)
    assert np.isfinite(epoch.train_loss)
    assert not torch.equal(before, bridge.project.weight)
    model = ServedBackbone(backbone, Calibration()).eval()
    file = export_onnx(model)
    check_tensorrt_rules(file)
    assert check_parity(file, model, parts[1].images[:1]) <= PARITY
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 6 * 2**20
