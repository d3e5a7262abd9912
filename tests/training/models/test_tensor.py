"""The ConvNeXt that reads the fused tensor directly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from services.common.errors import Fatal
from training.explain.heat import heat_maps
from training.export.graph import PARITY, check_parity, export_onnx
from training.export.tensorrt_rules import check_tensorrt_rules
from training.export.weights import weights_file
from training.models.autoencoder import AUTOENCODER
from training.models.convnext import CONVNEXT, ConvNeXtDriven
from training.models.output import Calibration, ServedBackbone
from training.models.registry import architecture, build_backbone
from training.train.configuration import CONFIGURATIONS
from training.train.module import parameter_groups

SIZE = "small-tensor"


@pytest.fixture
def backbone() -> nn.Module:
    torch.manual_seed(0)
    return build_backbone("convnext", SIZE)


def test_every_parameter_learns_and_none_is_of_an_efficientnet(backbone: nn.Module) -> None:
    output = backbone.train()(torch.rand(4, 3, 224, 224))
    assert output.logits.shape == (4, 14)
    assert (output.bones, output.trunk, output.reconstruction) == (None, None, None)
    loss = functional.binary_cross_entropy_with_logits(output.logits, torch.rand(4, 14).round())
    loss.backward()  # type: ignore[no-untyped-call]
    silent = [name for name, one in backbone.named_parameters() if one.grad is None or not one.grad.abs().any()]
    assert silent == []
    groups = parameter_groups(backbone, CONVNEXT.plan(SIZE))
    assert [group["name"] for group in groups] == ["body", "heads"]


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_each_channel_of_the_tensor_matters(backbone: nn.Module, channel: int) -> None:
    image = torch.rand(1, 3, 224, 224)
    other = image.clone()
    other[:, channel] = torch.rand(224, 224)
    with torch.inference_mode():
        logits = backbone.eval()(torch.cat([image, other])).logits
    assert not torch.allclose(logits[0], logits[1], atol=1e-4)


def test_the_convnext_reads_the_tensor_in_imagenets_units(backbone: nn.Module) -> None:
    seen: list[torch.Tensor] = []
    backbone.get_submodule("convnext").register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        backbone.eval()(torch.full((1, 3, 448, 448), 0.5))
    assert seen[0].shape == (1, 3, 224, 224)
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([0.0655, 0.1964, 0.4178]), atol=1e-3, rtol=0)


def test_a_tensor_of_higher_resolution_is_pooled(backbone: nn.Module) -> None:
    fine = torch.rand(1, 3, 448, 448)
    with torch.inference_mode():
        logits = [backbone.eval()(image).logits for image in (fine, functional.avg_pool2d(fine, 2))]
    torch.testing.assert_close(*logits)


def test_onnx_runtime_computes_what_torch_computes(backbone: nn.Module) -> None:
    model = ServedBackbone(backbone, Calibration()).eval()
    file = export_onnx(model)
    check_tensorrt_rules(file)
    images = np.random.default_rng(0).integers(0, 256, size=(3, 224, 224, 3), dtype=np.uint8)
    assert check_parity(file, model, images) <= PARITY
    # The normalisation constants are not weights: a version's file contains only learnt values.
    assert b"bridge" not in weights_file(backbone, SIZE)


def test_heat_is_that_of_the_last_stage_alone(backbone: nn.Module) -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(2, 224, 224, 3), dtype=np.uint8)
    (heat,) = heat_maps(backbone, images, np.array([0, 1]), np.array([0, 2]))
    assert (heat.key, heat.heat.shape) == ("grad-cam-last-stage", (2, 1, 7, 7))


def test_bone_heads_without_maps_are_refused() -> None:
    with pytest.raises(Fatal, match="set bone_width to 0"):
        ConvNeXtDriven(replace(CONVNEXT.size("small"), bridge="tensor"))


def test_everything_but_its_convnext_equals_small_including_the_specimens() -> None:
    small, tensor = CONFIGURATIONS["small"], CONFIGURATIONS[SIZE]
    assert AUTOENCODER.size(SIZE) == AUTOENCODER.size("small")
    assert (CONVNEXT.plan(SIZE), AUTOENCODER.plan(SIZE)) == (CONVNEXT.plan("small"), AUTOENCODER.plan("small"))
    assert tensor.seed == small.seed
    assert (tensor.training_set, tensor.start, tensor.serves) == ("small", "", False)
    assert architecture("convnext", SIZE) == "convnext_atto on the fused tensor"
