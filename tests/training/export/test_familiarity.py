"""The outputs of the decision layer, of a tiny backbone whose features are known."""

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from training.datasets.store import Subset
from training.export.familiarity import FEATURES, DescribedBackbone, describe
from training.export.graph import check_parity, export_onnx, extra_outputs, run_onnx
from training.export.tensorrt_rules import check_tensorrt_rules
from training.models.output import Calibration, Output, ServedBackbone

SIDE = 16


class Tiny(nn.Module):
    """Features are the pixels of the first channel; the mean of each channel is its reconstruction."""

    def __init__(self, *, counts: bool = False) -> None:
        super().__init__()
        self.standardise = nn.Sequential(nn.Identity())
        self.head = nn.Linear(SIDE * SIDE, len(LABEL_ORDER))
        self.counts = counts

    def forward(self, image: Tensor) -> Output:
        features = image[:, 0].flatten(1)
        reconstruction = 0 * image + image.mean(dim=(2, 3), keepdim=True)
        counts = features[:, :6] if self.counts else None
        return Output(self.head(features), reconstruction, features=features, counts=counts)


def specimens(count: int, seed: int, *, spread: float = 12, abnormal: bool = True) -> Subset:
    random = np.random.default_rng(seed)
    images = np.clip(128 + spread * random.normal(size=(count, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    labels = np.zeros((count, len(LABEL_ORDER)), np.uint8)
    if abnormal:
        labels[::2, :2] = 1
    return Subset(images, None, np.arange(count), labels, ("JAX",) * count)


@pytest.fixture(scope="module")
def described() -> DescribedBackbone:
    torch.manual_seed(0)
    served = ServedBackbone(Tiny(), Calibration()).eval()
    return describe(served, specimens(600, 1), specimens(400, 2))[0]


@pytest.fixture(scope="module")
def graph(described: DescribedBackbone) -> bytes:
    return export_onnx(described, SIDE)


def outputs(file: bytes, images: np.ndarray) -> dict[str, np.ndarray]:
    names = ("level1", "scores", "features", "unfamiliar")
    return dict(zip(names, run_onnx(file, images, names), strict=True))


def test_the_graph_gives_what_the_network_gives_and_a_gpu_can_run_it(
    described: DescribedBackbone, graph: bytes
) -> None:
    assert check_parity(graph, described, specimens(8, 3).images) < 1e-4
    check_tensorrt_rules(graph)
    assert extra_outputs(graph) == {"scores": 14, "features": FEATURES, "unfamiliar": 1}
    assert [output.name for output in onnx.load_from_string(graph).graph.output] == list(described.outputs)


def test_probabilities_stay_those_of_the_served_backbone(described: DescribedBackbone) -> None:
    images = torch.from_numpy(specimens(4, 4).images)
    with torch.inference_mode():
        plain = ServedBackbone(described.backbone, described.calibration).eval()(images)
        for name, expected in zip(plain._fields, plain, strict=True):
            found = dict(zip(described.outputs, described(images), strict=True))[name]
            torch.testing.assert_close(found, expected)


def test_scores_are_the_logits_before_calibration(described: DescribedBackbone, graph: bytes) -> None:
    images = specimens(4, 5).images
    found = outputs(graph, images)
    np.testing.assert_allclose(found["level1"], 1 / (1 + np.exp(-found["scores"][:, :1])), atol=1e-5)
    assert described.calibration.scale.tolist() == [1.0] * 14


def test_features_of_new_normal_specimens_are_white(graph: bytes) -> None:
    features = outputs(graph, specimens(500, 6, abnormal=False).images)["features"]
    # The components are those of 300 specimens in 256 dimensions, so their variance is overestimated there.
    assert np.abs(features.mean(axis=0)).max() < 0.3
    assert 0.3 < (features[:, :-1] ** 2).mean() < 1.3
    assert features[:, -1].std() == pytest.approx(1, abs=0.2)


def test_one_in_a_hundred_new_specimens_is_beyond_the_limit(graph: bytes) -> None:
    unfamiliar = outputs(graph, specimens(1000, 7).images)["unfamiliar"][:, 0]
    assert np.mean(unfamiliar > 0.99) < 0.03
    assert np.mean(unfamiliar) == pytest.approx(0.5, abs=0.06)


def test_noise_black_and_white_are_unfamiliar(graph: bytes) -> None:
    noise = np.random.default_rng(8).integers(0, 256, (20, SIDE, SIDE, 3)).astype(np.uint8)
    for images in (noise, np.zeros_like(noise), np.full_like(noise, 255)):
        assert (outputs(graph, images)["unfamiliar"] > 0.99).all()


def test_validation_outputs_are_what_the_graph_gives() -> None:
    torch.manual_seed(0)
    validation = specimens(100, 9)
    made, stored = describe(ServedBackbone(Tiny(), Calibration()).eval(), specimens(300, 10), validation)
    found = outputs(export_onnx(made, SIDE), validation.images)
    np.testing.assert_allclose(stored.outputs.scores, found["scores"], atol=1e-4)
    np.testing.assert_allclose(stored.outputs.features, found["features"], atol=1e-2)
    np.testing.assert_allclose(stored.outputs.unfamiliar, found["unfamiliar"][:, 0], atol=1e-3)
    assert len(set(stored.specimens)) == 100


def test_equal_specimens_give_equal_graphs() -> None:
    def one() -> bytes:
        torch.manual_seed(0)
        served = ServedBackbone(Tiny(), Calibration()).eval()
        return export_onnx(describe(served, specimens(200, 11), specimens(80, 12))[0], SIDE)

    assert one() == one()


def test_counts_are_served_where_the_backbone_has_them() -> None:
    served = ServedBackbone(Tiny(counts=True), Calibration()).eval()
    made, _ = describe(served, specimens(200, 13), specimens(80, 14))
    assert extra_outputs(export_onnx(made, SIDE))["counts"] == 6
