import numpy as np
import pytest
import torch
from torch import Tensor, nn

from training.explain.heat import grad_cam
from training.models.output import ExplainedLayer, Output

SIDE = 8


class Spots(nn.Module):
    """Label c's logit is the sum over the image of channel c, pictures halved; label 2 falls with channel 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.AvgPool2d(2)
        self.second = nn.AvgPool2d(2)

    def forward(self, image: Tensor) -> Output:
        maps = self.second(self.first(image))
        totals = maps.sum(dim=(2, 3))
        return Output(torch.cat([totals[:, :2], -totals[:, 1:2], torch.zeros(len(image), 11)], dim=1))


class Views(nn.Module):
    """Reads each view separately, as the front end does; label 0 depends on the DV, label 1 on the LAT."""

    def __init__(self) -> None:
        super().__init__()
        self.each = nn.Conv2d(1, 1, kernel_size=1, bias=False)
        self.each.requires_grad_(False).weight.fill_(1)

    def forward(self, image: Tensor) -> Output:
        maps = self.each(image[:, :2].reshape(-1, 1, SIDE, SIDE)).reshape(-1, 2, SIDE, SIDE)
        return Output(torch.cat([maps.sum(dim=(2, 3)), torch.zeros(len(image), 12)], dim=1))


def _images() -> np.ndarray:
    images = np.zeros((3, SIDE, SIDE, 3), dtype=np.uint8)
    images[0, 0:4, 0:4, 0] = 200
    images[1, 4:8, 4:8, 1] = 100
    images[2, 0:4, 4:8, 1] = 255
    return images


def _layer(module: nn.Module, *, per_view: bool = False) -> ExplainedLayer:
    return ExplainedLayer("", "", module, per_view=per_view)


def test_heat_is_where_the_label_is_read_and_in_units_of_its_logit() -> None:
    model = Spots()
    (first, second), output = grad_cam(
        model, [_layer(model.first), _layer(model.second)], _images()[:2], np.array([0, 1])
    )
    assert first.shape == (2, 1, 4, 4)
    assert second.shape == (2, 1, 2, 2)
    # In the second layer, the gradient of channel 0 is 1 everywhere: the heat is the map, and sums to the logit.
    assert second[0, 0] == pytest.approx(np.array([[200 / 255, 0], [0, 0]]))
    assert second[1, 0] == pytest.approx(np.array([[0, 0], [0, 100 / 255]]))
    assert second.sum(axis=(1, 2, 3)) == pytest.approx(output.logits[[0, 1], [0, 1]].detach().numpy())
    assert first[0, 0, :2, :2] == pytest.approx(np.full((2, 2), 0.25 * 200 / 255))
    assert first[0, 0, 2:].max() == first[0, 0, :, 2:].max() == 0


def test_evidence_against_a_label_gives_no_heat() -> None:
    model = Spots()
    (heat,), _ = grad_cam(model, [_layer(model.second)], _images()[2:], np.array([2]))
    assert heat.max() == 0


def test_a_layer_that_sees_each_view_gives_a_map_for_each_and_may_be_frozen() -> None:
    model = Views()
    layer = _layer(model.each, per_view=True)
    (heat,), _ = grad_cam(model, [layer], _images()[[0, 0, 1, 2]], np.array([0, 1, 1, 1]))
    assert heat.shape == (4, 2, SIDE, SIDE)
    assert heat[0, 0, :4, :4].min() > 0
    assert heat[0, 1].max() == 0
    assert heat[1].max() == 0
    assert heat[2, 1, 4:, 4:].min() > 0
    assert heat[2, 0].max() == 0
    assert heat[3, 1, :4, 4:].min() > 0


def test_heat_does_not_depend_on_the_batch_and_hooks_are_removed() -> None:
    model = Views()
    layer = _layer(model.each, per_view=True)
    (together,), _ = grad_cam(model, [layer], _images(), np.array([0, 1, 1]))
    (alone,), _ = grad_cam(model, [layer], _images()[1:2], np.array([1]))
    assert np.array_equal(together[1:2], alone)
    assert not model.each._forward_hooks
