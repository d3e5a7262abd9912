import pytest
import torch
from torch import Tensor

from services.common.labels import LABEL_ORDER
from training.models.multiview.landmarks import FoundLandmarks, LandmarkHead, whole_places
from training.models.output import Output, TrunkBones
from training.simulation.bone_truth import CHANNELS, altered_channel
from training.simulation.bone_truth import SIDE as BONE_SIDE
from training.simulation.landmarks import LANDMARKS
from training.train.stream.losses import (
    attention_loss,
    landmark_losses,
    reconstruction_loss,
    structural_similarity,
    task_losses,
    views_of,
)


def _found(heat: Tensor, presence: Tensor) -> FoundLandmarks:
    places = whole_places(8, 8).flatten(1, 2)
    points = torch.softmax(heat, dim=2) @ places
    return FoundLandmarks(heat, places, points, torch.zeros(heat.shape[:2]), presence)


def _heat_at(point: Tensor) -> Tensor:
    distance = torch.cdist(point[None, None], whole_places(8, 8).flatten(1, 2)) / 0.25
    return -0.5 * (distance / 0.6).square()


def test_the_best_heat_map_costs_nothing_and_means_the_true_point() -> None:
    point = torch.tensor([0.31, -0.47])
    found = _found(_heat_at(point), torch.full((1, 1), 20.0))
    place, presence = landmark_losses(found, point[None, None], torch.ones(1, 1, dtype=torch.bool))
    assert float(place) == pytest.approx(0, abs=1e-4)
    assert float(presence) == pytest.approx(0, abs=1e-4)
    torch.testing.assert_close(found.points[0, 0], point, atol=0.02, rtol=0)
    elsewhere, _ = landmark_losses(found, torch.tensor([[[-0.5, 0.5]]]), torch.ones(1, 1, dtype=torch.bool))
    assert elsewhere > 1


def test_a_head_learns_where_landmarks_are_within_a_cell() -> None:
    torch.manual_seed(0)
    head, cells, places = LandmarkHead(64), torch.randn(2, 64, 8, 8), whole_places(8, 8)
    points = 1.6 * torch.rand(2, len(LANDMARKS), 2) - 0.8
    present = torch.rand(2, len(LANDMARKS)) > 0.3
    optimiser = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        torch.stack(landmark_losses(head(cells, places), points, present)).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    found = head(cells, places)
    error = (found.points - points).square().sum(dim=2).sqrt()[present]
    assert error.mean() < 0.05
    assert ((found.presence > 0) == present).float().mean() > 0.95


def test_a_landmark_outside_the_cells_or_absent_has_no_place_and_is_not_present() -> None:
    found = _found(torch.zeros(1, 1, 64), torch.full((1, 1), 20.0))
    for point, present in ((torch.tensor([[[3.0, 0.0]]]), True), (torch.zeros(1, 1, 2), False)):
        place, presence = landmark_losses(found, point, torch.full((1, 1), present))
        assert float(place) == 0
        assert float(presence) > 10


def test_attention_is_drawn_to_the_bones_that_were_altered_for_the_label() -> None:
    column = LABEL_ORDER.index("Caudal")
    bones = torch.zeros(1, 2, len(CHANNELS), BONE_SIDE, BONE_SIDE, dtype=torch.uint8)
    bones[0, 1, altered_channel(column), :14, :14] = 255
    trunk = TrunkBones(torch.zeros(1, 2, 1, 2, 2), torch.full((2, 2, 2, 2), 0.9))
    heads, cells = 2, 2 * 16 + 2 * 4
    even = torch.full((1, heads, len(LABEL_ORDER), cells), 1 / cells)
    there = torch.zeros_like(even)
    there[:, :, column, 16] = 1
    assert attention_loss(there, bones, (4, 4), trunk) < attention_loss(even, bones, (4, 4), trunk)
    elsewhere = torch.zeros_like(even)
    elsewhere[:, :, column, 0] = 1
    assert attention_loss(elsewhere, bones, (4, 4), trunk) > attention_loss(even, bones, (4, 4), trunk)
    assert float(attention_loss(elsewhere, torch.zeros_like(bones), (4, 4), trunk)) == 0


def test_structural_similarity_sees_lost_detail_that_the_squared_error_hardly_shows() -> None:
    torch.manual_seed(0)
    views = 0.5 + 0.05 * torch.rand(2, 1, 32, 32)
    flat = torch.full_like(views, 0.525)
    assert structural_similarity(views, views).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (structural_similarity(flat, views) < 0.9).all()
    assert float((flat - views).square().mean()) < 0.001
    assert float(reconstruction_loss(views, views)) == pytest.approx(0, abs=1e-5)
    assert float(reconstruction_loss(flat, views)) > 0.1


def test_views_are_dv_and_lat_pooled_to_224() -> None:
    images = torch.zeros(1, 448, 448, 3, dtype=torch.uint8)
    images[..., 1] = 255
    views = views_of(images)
    assert views.shape == (1, 2, 224, 224)
    assert views[0, 0].max() == 0
    assert views[0, 1].min() == 1


def test_another_backbone_has_no_such_tasks() -> None:
    with pytest.raises(ValueError, match="multiview"):
        task_losses(Output(torch.zeros(1, 14)), *(torch.zeros(1) for _ in range(4)))
