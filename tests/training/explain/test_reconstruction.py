import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.training.synthetic import tiny_subset
from training.explain.reconstruction import errors, reconstruction
from training.models.output import Output


class Shifted(nn.Module):
    """Reconstructs a bright picture with an error of 0.1 and any other exactly."""

    def forward(self, image: Tensor) -> Output:
        bright = (image.amax(dim=(1, 2, 3), keepdim=True) > 0.5).float()
        return Output(torch.zeros(len(image), 14), image + 0.1 * bright)


class Classifier(nn.Module):
    def forward(self, image: Tensor) -> Output:
        return Output(torch.zeros(len(image), 14))


def test_an_exact_copy_has_no_error_and_full_similarity() -> None:
    image = torch.rand(2, 3, 32, 32)
    mse, ssim = errors(image, image)
    assert mse.tolist() == [0, 0]
    assert ssim.tolist() == pytest.approx([1, 1])


def test_similarity_falls_with_what_is_lost_and_is_each_pictures_own() -> None:
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    rebuilt = image.clone()
    rebuilt[1] = 0.5
    mse, ssim = errors(rebuilt, image)
    assert mse[1] == pytest.approx(1 / 12, rel=0.05)
    assert ssim[0] == pytest.approx(1)
    assert ssim[1] < 0.2


def test_normal_and_abnormal_specimens_are_apart_and_the_error_ranks_them() -> None:
    found = reconstruction(Shifted(), tiny_subset(20, seed=3))
    assert found is not None
    groups = {group.name: group for group in found.groups}
    assert {name: group.specimens for name, group in groups.items()} == {"all": 20, "normal": 10, "abnormal": 10}
    assert groups["normal"].mse == pytest.approx((0, 0))
    assert groups["abnormal"].mse[0] == pytest.approx(0.01, rel=1e-3)
    assert groups["all"].mse[0] == pytest.approx(0.005, rel=1e-3)
    assert groups["abnormal"].ssim[0] < groups["normal"].ssim[0] == pytest.approx(1)
    assert found.level1_auc.value == 1


def test_a_part_without_abnormal_specimens_has_no_figure_for_them() -> None:
    subset = tiny_subset(6, seed=3)
    normal = replace(subset, labels=np.zeros_like(subset.labels))
    found = reconstruction(Shifted(), normal)
    assert found is not None
    assert math.isnan(found.groups[2].mse[0])
    assert math.isnan(found.level1_auc.value)


def test_a_backbone_that_rebuilds_nothing_has_no_figures() -> None:
    assert reconstruction(Classifier(), tiny_subset(4, seed=3)) is None
