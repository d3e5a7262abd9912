from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from training.models.autoencoder import AutoencoderDriven
from training.models.build import BACKBONES, architecture, build_backbone
from training.models.configuration import SIZES
from training.models.convnext import ConvNeXtDriven
from training.models.front_end import MAP_CHANNELS, MAP_SIDE, FrontEnd, load_imagenet


@pytest.mark.parametrize("name", BACKBONES)
def test_gives_fourteen_finite_logits(name: str) -> None:
    backbone = build_backbone(name, "small").eval()
    with torch.inference_mode():
        output = backbone(torch.rand(2, 3, 224, 224))
    assert output.logits.shape == (2, 14)
    assert torch.isfinite(output.logits).all()


def test_autoencoder_rebuilds_the_image_from_a_56x56x128_code() -> None:
    backbone = AutoencoderDriven(SIZES["small"].cae).eval()
    image = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        code = backbone.encoder(image)
        rebuilt = backbone(image).reconstruction
    assert code.shape == (1, 128, 56, 56)
    assert rebuilt.shape == image.shape
    assert float(rebuilt.min()) >= 0
    assert float(rebuilt.max()) <= 1


def test_folded_grey_front_end_equals_the_published_network_on_a_repeated_grey_view() -> None:
    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    load_imagenet(network)
    network.eval()
    captured: list[torch.Tensor] = []
    network.blocks[2][1].bn2.register_forward_hook(lambda _module, _input, output: captured.append(output))
    view = torch.randint(0, 256, (1, 1, 224, 224)).float()
    with torch.inference_mode():
        network(((view - 127) / 128).expand(-1, 3, -1, -1))
        ours = FrontEnd(frozen=True).eval()(view / 255)
    assert ours.shape == (1, MAP_CHANNELS, MAP_SIDE, MAP_SIDE)
    torch.testing.assert_close(ours, captured[0], atol=1e-3, rtol=1e-3)


def test_front_end_reads_each_view_by_itself() -> None:
    backbone = ConvNeXtDriven(SIZES["small"].convnext).eval()
    image = torch.rand(1, 3, 224, 224)
    other_lateral = image.clone()
    other_lateral[:, 1] = torch.rand(1, 224, 224)
    with torch.inference_mode():
        maps, changed = backbone.maps(image), backbone.maps(other_lateral)
    assert torch.equal(maps[:, :MAP_CHANNELS], changed[:, :MAP_CHANNELS])
    assert not torch.equal(maps[:, MAP_CHANNELS:], changed[:, MAP_CHANNELS:])


def test_frozen_front_end_gets_no_gradient() -> None:
    backbone = ConvNeXtDriven(SIZES["small"].convnext)
    backbone(torch.rand(2, 3, 224, 224)).logits.sum().backward()
    assert all(parameter.grad is None for parameter in backbone.front_end.parameters())
    assert backbone.bridge.project.weight.grad is not None


def test_seed_gives_the_same_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_backbone("cae", "small").state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", BACKBONES)
def test_architecture_is_said_in_words(name: str, size: str) -> None:
    assert len(architecture(name, size)) > 20
