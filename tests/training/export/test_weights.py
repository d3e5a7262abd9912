import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from services.common.errors import Rejected
from training.export.weights import FILE, read_backbone, weights_file
from training.models.registry import BACKBONES, build_backbone


def made(name: str) -> nn.Module:
    torch.manual_seed(3)
    return build_backbone(name, "small").eval()


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_come_back_in_half_precision(name: str, tmp_path: Path) -> None:
    backbone = made(name)
    (tmp_path / FILE).write_bytes(weights_file(backbone, "small"))
    again = read_backbone(tmp_path, name, "small").eval()
    assert all(parameter.dtype == torch.float32 for parameter in again.parameters())
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again(image).logits, backbone(image).logits, atol=0.02, rtol=0.02)


def test_a_version_without_weights_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be trained further") as refusal:
        read_backbone(tmp_path, "cae", "small")
    assert refusal.value.reason == "no_weights"


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(weights_file(made("cae"), "small")[:-100])
    with pytest.raises(Rejected) as refusal:
        read_backbone(tmp_path, "cae", "small")
    assert refusal.value.reason == "weights_damaged"


def test_other_weights_than_the_cards_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(weights_file(made("cae"), "small"))
    digest = hashlib.sha256((tmp_path / FILE).read_bytes()).hexdigest()
    read_backbone(tmp_path, "cae", "small", sha256=digest)
    with pytest.raises(Rejected, match="its card has") as refusal:
        read_backbone(tmp_path, "cae", "small", sha256="0" * 64)
    assert refusal.value.reason == "weights_damaged"


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(weights_file(made("cae"), "small"))
    with pytest.raises(Rejected, match="does not fit") as refusal:
        read_backbone(tmp_path, "convnext", "small")
    assert refusal.value.reason == "weights_differ"
