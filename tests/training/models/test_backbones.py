from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch

from services.common.errors import Fatal
from training.models.autoencoder import AUTOENCODER, AutoencoderDriven
from training.models.convnext import CONVNEXT, ConvNeXtDriven, view_maps
from training.models.front_end import MAP_CHANNELS, FrontEnd, load_imagenet
from training.models.heads import evidence
from training.models.registry import BACKBONES, architecture, build_backbone, find_backbone
from training.simulation.bone_truth import CHANNELS, REGIONS
from training.train.configuration import CONFIGURATIONS, REFRESHES


@pytest.mark.parametrize("name", BACKBONES)
def test_gives_fourteen_finite_logits(name: str) -> None:
    backbone = build_backbone(name, "small").eval()
    with torch.inference_mode():
        output = backbone(torch.rand(2, 3, 224, 224))
    assert output.logits.shape == (2, 14)
    assert torch.isfinite(output.logits).all()


def test_autoencoder_rebuilds_the_image_from_a_56x56x128_code() -> None:
    backbone = AutoencoderDriven(AUTOENCODER.size("small")).eval()
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
        ours = FrontEnd(frozen_blocks=2).eval()(view / 255)
    assert ours.shape == (1, MAP_CHANNELS, 28, 28)
    torch.testing.assert_close(ours, captured[0], atol=1e-3, rtol=1e-3)


def test_front_end_reads_each_view_by_itself() -> None:
    front_end = FrontEnd(frozen_blocks=2).eval()
    image = torch.rand(1, 3, 224, 224)
    other_lateral = image.clone()
    other_lateral[:, 1] = torch.rand(1, 224, 224)
    with torch.inference_mode():
        maps, changed = view_maps(front_end, image), view_maps(front_end, other_lateral)
    assert torch.equal(maps[:, :MAP_CHANNELS], changed[:, :MAP_CHANNELS])
    assert not torch.equal(maps[:, MAP_CHANNELS:], changed[:, MAP_CHANNELS:])


def test_frozen_blocks_get_no_gradient_and_stay_unchanged_in_training() -> None:
    backbone = ConvNeXtDriven(CONVNEXT.size("small")).train()
    front_end = backbone.front_end
    assert front_end is not None
    before = {name: value.clone() for name, value in front_end.frozen.state_dict().items()}
    output = backbone(torch.rand(2, 3, 224, 224))
    output.logits.sum().backward()
    assert all(parameter.grad is None for parameter in front_end.frozen.parameters())
    after = front_end.frozen.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    learning = [parameter for parameter in front_end.parameters() if parameter.requires_grad]
    assert all(parameter.grad is not None for parameter in learning)
    assert learning


def test_same_network_reads_tensors_of_448_pixels() -> None:
    backbone = ConvNeXtDriven(CONVNEXT.size("small")).eval()
    with torch.inference_mode():
        output = backbone(torch.rand(1, 3, 448, 448))
    assert output.logits.shape == (1, 14)
    assert output.bones is not None
    assert output.bones.shape == (1, 2, len(CHANNELS), 28, 28)
    assert output.trunk is not None
    assert output.trunk.bones.shape == (1, 2, len(CHANNELS), 38, 17)


def test_evidence_finds_one_altered_cell_in_the_right_view_and_label() -> None:
    bones = torch.full((1, 2, len(CHANNELS), 28, 28), -4.0)
    calm = evidence(bones)
    bones[0, 1, CHANNELS.index("altered: Caudal"), 3, 20] = 8.0
    changed = (evidence(bones) - calm)[0].abs() > 0.5
    labels = len(CHANNELS) - len(REGIONS)
    column = labels + CHANNELS.index("altered: Caudal") - len(REGIONS)
    assert changed.nonzero().flatten().tolist() == [column, 2 * labels + column]


def test_seed_gives_the_same_weights() -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(build_backbone("cae", "small").state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("size", ["small", "small-tensor", "full"])
@pytest.mark.parametrize("name", BACKBONES)
def test_architecture_is_described(name: str, size: str) -> None:
    assert len(architecture(name, size)) > 20


@pytest.mark.parametrize("build", [build_backbone, architecture])
def test_an_unknown_backbone_or_size_is_an_error_that_lists_the_known_ones(build: Callable[[str, str], object]) -> None:
    with pytest.raises(Fatal, match="no backbone 'resnet'; known are convnext, cae"):
        build("resnet", "small")
    with pytest.raises(Fatal, match="backbone cae has no size 'huge'; known are small, small-tensor, full"):
        build("cae", "huge")


@pytest.mark.parametrize("name", BACKBONES)
def test_every_size_and_configuration_is_complete(name: str) -> None:
    spec = find_backbone(name)
    configurations = [*CONFIGURATIONS.values(), *REFRESHES.values()]
    assert set(spec.sizes) >= {one.size for one in configurations}
    assert set(spec.plans) == {one.name for one in configurations}
