import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from services.common.labels import LABEL_ORDER
from tests.training.train.stream.tiny import SIDE, draw_tiny, tiny_multiview
from training.export.graph import OPSET
from training.models.heads import EVIDENCE
from training.models.multiview.backbone import EvidenceDropout, LandmarkTruth, MultiviewBackbone, MultiviewSize
from training.models.multiview.landmarks import COUNTS, LandmarkHead, expected_counts, joint_presence, whole_places
from training.models.multiview.stems import AutoencoderStem, EfficientNetStem
from training.models.output import Output, unit_range
from training.models.registry import build_backbone
from training.simulation.landmarks import LANDMARKS


def _image(specimens: int = 2) -> Tensor:
    drawn = [draw_tiny(seed) for seed in range(1, 1 + specimens)]
    return unit_range(torch.from_numpy(np.stack([one.tensor for one in drawn if one is not None])))


def _run(backbone: nn.Module, image: Tensor) -> Output:
    with torch.inference_mode():
        output: Output = backbone.eval()(image)
    return output


def test_gives_logits_features_counts_and_signals() -> None:
    backbone = tiny_multiview()
    output = _run(backbone, _image())
    assert output.logits.shape == (2, len(LABEL_ORDER))
    assert output.features is not None
    assert output.counts is not None
    assert output.signals is not None
    assert output.reconstruction is not None
    assert output.counts.shape == (2, len(COUNTS))
    assert output.signals.shape == (2, 2)
    assert output.reconstruction.shape == (2, 2, SIDE, SIDE)
    torch.testing.assert_close(backbone.classify(output.features), output.logits)


def test_reads_each_view_by_itself() -> None:
    backbone, image = tiny_multiview(), _image()
    other = image.clone()
    other[:, 1] = torch.rand_like(other[:, 1])
    other[:, 2] = 0
    one, two = _run(backbone, image), _run(backbone, other)
    assert one.landmarks is not None
    assert two.landmarks is not None
    for before, after in zip(one.landmarks, two.landmarks, strict=True):
        torch.testing.assert_close(before.points[0::2], after.points[0::2])
        assert not torch.allclose(before.points[1::2], after.points[1::2])


def test_both_views_are_read_with_the_same_weights() -> None:
    backbone = tiny_multiview()
    nn.init.zeros_(backbone.whole_kind)
    image = _image()
    image[:, 1] = image[:, 0]
    found = _run(backbone, image).landmarks
    assert found is not None
    torch.testing.assert_close(found[0].points[0::2], found[0].points[1::2])


def test_evidence_set_to_its_mean_changes_the_evidence_only() -> None:
    backbone = tiny_multiview()
    features = _run(backbone, _image()).features
    assert features is not None
    hidden = backbone.without_evidence(features)
    assert torch.equal(hidden[:, : -2 * EVIDENCE], features[:, : -2 * EVIDENCE])
    standardised = backbone.standardise.eval()(hidden)
    assert (standardised[:, -2 * EVIDENCE :] == 0).all()


def test_evidence_is_dropped_for_whole_specimens_in_training_only() -> None:
    torch.manual_seed(0)
    dropout, features = EvidenceDropout(3, 0.5), torch.ones(200, 5)
    dropped = dropout(features)
    assert (dropped[:, :2] == 1).all()
    kept = dropped[:, 2:].sum(dim=1)
    assert set(kept.tolist()) == {0.0, 3.0}
    assert 60 < int((kept == 0).sum()) < 140
    assert torch.equal(dropout.eval()(features), features)


def test_true_landmarks_place_the_window_in_training_only() -> None:
    backbone, image = tiny_multiview(), _image()
    points = torch.rand(2, 2, len(LANDMARKS), 2)
    truth = LandmarkTruth(points, torch.ones(2, 2, len(LANDMARKS), dtype=torch.bool))
    with torch.inference_mode():
        alone, told = backbone.eval()(image), backbone(image, truth)
        torch.manual_seed(1)
        learning = backbone.train()(image, truth)
    assert torch.equal(alone.logits, told.logits)
    assert not torch.equal(alone.trunk.places, learning.trunk.places)


def test_a_landmark_is_the_mean_of_its_heat_map() -> None:
    head = LandmarkHead(2)
    nn.init.zeros_(head.heat.weight)
    cells = torch.zeros(2, 2, 4, 4)
    head.heat.weight.data[0, 0, 0, 0] = 1
    cells[:, 0, 1, 2] = cells[:, 0, 1, 3] = 50.0
    found = head(cells, whole_places(4, 4))
    torch.testing.assert_close(found.points[0, 0], torch.tensor([0.5, -0.25]), atol=1e-3, rtol=0)
    assert found.spread[0, 0] < found.spread[0, 1]


def test_counts_follow_what_either_view_shows() -> None:
    presence = torch.full((2, len(LANDMARKS)), -20.0)
    presence[0, [LANDMARKS.index(f"C{n}") for n in range(1, 8)]] = 20
    presence[1, [LANDMARKS.index(f"rib.left.{n}") for n in range(1, 14)]] = 20
    counts = expected_counts(joint_presence(presence))
    torch.testing.assert_close(counts, torch.tensor([[7.0, 0, 0, 0, 13, 0]]), atol=1e-3, rtol=0)


def test_higher_resolution_serves_the_window_with_the_same_weights() -> None:
    backbone = MultiviewBackbone(AutoencoderStem(4, 8, 8), MultiviewSize(8, 1, 1, heads=2))
    small, large = (_run(backbone, torch.rand(1, 3, side, side)) for side in (224, 448))
    assert small.bones is not None
    assert large.bones is not None
    assert small.bones.shape == large.bones.shape == (1, 2, small.bones.shape[2], 28, 28)
    assert large.reconstruction is not None
    assert large.reconstruction.shape == (1, 2, 224, 224)


def test_efficientnet_cannot_rebuild_and_its_frozen_blocks_do_not_learn() -> None:
    stem = EfficientNetStem(frozen_blocks=2)
    assert stem.rebuild(torch.zeros(1)) is None
    assert not any(parameter.requires_grad for parameter in stem.front_end.frozen.parameters())
    assert stem.maps(stem.encode(torch.rand(1, 1, 64, 64))).shape == (1, stem.channels, 8, 8)


def test_an_autoencoder_has_a_code_of_56x56x128() -> None:
    stem = AutoencoderStem(first=16, code=128, channels=64)
    code = stem.encode(torch.rand(1, 1, 224, 224))
    assert code.shape == (1, 128, 56, 56)
    assert stem.rebuild(code).shape == (1, 1, 224, 224)


@pytest.mark.parametrize("name", ["convnext", "cae"])
def test_both_fit_the_limit_of_weights(name: str) -> None:
    parameters = sum(parameter.numel() for parameter in build_backbone(name, "wide").parameters())
    assert 4 * parameters < 20_000_000


class _Served(nn.Module):
    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, image: Tensor) -> tuple[Tensor | None, ...]:
        output: Output = self.backbone(unit_range(image))
        return output.logits, output.features, output.counts, output.signals


@pytest.mark.filterwarnings("ignore")
def test_all_outputs_export_as_one_graph_for_any_batch() -> None:
    backbone = tiny_multiview().eval()
    names = ("scores", "features", "counts", "signals")
    program = torch.onnx.export(
        _Served(backbone),
        (torch.zeros(2, SIDE, SIDE, 3, dtype=torch.uint8),),
        input_names=["image"],
        output_names=list(names),
        opset_version=OPSET,
        dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1, max=1024)}},
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    assert program.model_proto.graph.node[0].op_type == "Cast"
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = _Served(backbone)(torch.from_numpy(images))
    for theirs, ours in zip(session.run(list(names), {"image": images}), expected, strict=True):
        assert ours is not None
        np.testing.assert_allclose(theirs, ours.numpy(), atol=2e-4)
