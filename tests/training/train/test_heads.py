import numpy as np
import pytest
import torch

from tests.training.synthetic import tiny_subset
from training.models.output import HEADS
from training.models.registry import BACKBONES, build_backbone
from training.models.spec import TrainingRules
from training.train.heads import Features, features_of, fit_heads, logits_of
from training.train.loop import weights_digest


def made(name: str, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_backbone(name, "small")


def learnable(specimens: int, width: int, seed: int) -> Features:
    """Features of which forty are weakly related to abnormality."""
    random = np.random.default_rng(seed)
    labels = np.zeros((specimens, 14), dtype=np.uint8)
    labels[::2, 0] = 1
    labels[::4, 1:] = 1
    values = random.normal(size=(specimens, width)).astype(np.float32)
    values[:, :40] += labels[:, :1]
    return Features(values, labels)


@pytest.mark.parametrize("name", BACKBONES)
def test_heads_see_the_features_that_the_whole_network_has(name: str) -> None:
    backbone = made(name, 1).eval()
    subset = tiny_subset(4, seed=2, side=64)
    features = features_of(backbone, subset)
    with torch.inference_mode():
        images = torch.from_numpy(subset.pictures(slice(0, 4))).float().permute(0, 3, 1, 2) / 255
        whole = backbone(images).logits
    torch.testing.assert_close(logits_of(backbone, features), whole, atol=1e-4, rtol=1e-4)


def test_only_the_heads_change_and_they_learn() -> None:
    backbone, fresh = made("convnext", 1), made("convnext", 2)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    width = backbone.get_submodule("standardise")[0].num_features  # type: ignore[index]
    assert isinstance(width, int)
    train, validation = learnable(4096, width, 3), learnable(512, width, 4)
    assert fit_heads(backbone, fresh, train, validation, seed=5) > 1
    changed = {
        key.partition(".")[0] for key, value in backbone.state_dict().items() if not torch.equal(value, before[key])
    }
    assert changed <= {*HEADS, "standardise"}
    scores = logits_of(backbone, validation)[:, 0].numpy()
    abnormal = validation.labels[:, 0] == 1
    assert (scores[abnormal][:, None] > scores[~abnormal]).mean() > 0.95


@pytest.mark.parametrize("together", [True, False])
def test_training_level_by_level_learns_nothing_of_lower_levels(together: bool) -> None:
    """Train levels 1 and 2 with other truths of level 3: only joint training is affected."""
    logits = []
    for shift in (0, 1):
        backbone = made("convnext", 1)
        width = backbone.get_submodule("standardise")[0].num_features  # type: ignore[index]
        assert isinstance(width, int)
        train, validation = learnable(64, width, 3), learnable(32, width, 4)
        for features in (train, validation):
            features.labels[:, 4:] = np.roll(features.labels[:, 4:], 4 * shift, axis=0) * features.labels[:, :1]
            features.labels[0, 4:] = shift
        fit_heads(backbone, made("convnext", 2), train, validation, seed=5, rules=TrainingRules(together=together))
        logits.append(logits_of(backbone, validation)[:, :4])
    assert torch.equal(*logits) is not together


@pytest.mark.parametrize("specimens", [129, 257])
def test_a_single_specimen_left_over_does_not_form_a_batch(specimens: int) -> None:
    """Batch normalisation refuses a batch of one."""
    backbone = made("convnext", 1)
    width = backbone.get_submodule("standardise")[0].num_features  # type: ignore[index]
    assert isinstance(width, int)
    train, validation = learnable(specimens, width, 3), learnable(64, width, 4)
    assert fit_heads(backbone, made("convnext", 2), train, validation, seed=5) > 0


def test_a_seed_gives_the_same_heads() -> None:
    digests = set()
    for _ in range(2):
        backbone = made("cae", 1)
        width = backbone.get_submodule("standardise")[0].num_features  # type: ignore[index]
        assert isinstance(width, int)
        fit_heads(backbone, made("cae", 2), learnable(128, width, 3), learnable(64, width, 4), seed=5)
        digests.add(weights_digest(backbone))
    assert len(digests) == 1
