import torch
from torch.nn import functional

from training.models.output import SMALLEST_SCALE, Calibration


def _fitted(logits: torch.Tensor, labels: torch.Tensor) -> Calibration:
    calibration = Calibration()
    calibration.fit(logits, labels, torch.ones_like(labels, dtype=torch.bool))
    return calibration


def test_overconfident_logits_become_calibrated() -> None:
    generator = torch.Generator().manual_seed(0)
    honest = torch.randn(4000, 14, generator=generator)
    labels = torch.bernoulli(torch.sigmoid(honest), generator=generator).to(torch.uint8)
    calibration = _fitted(honest * 5 + 2, labels)
    torch.testing.assert_close(calibration.scale, torch.full((14,), 0.2), atol=0.03, rtol=0)
    torch.testing.assert_close(calibration.shift, torch.full((14,), -0.4), atol=0.15, rtol=0)


def test_misleading_logits_keep_their_order_and_become_the_prevalence() -> None:
    labels = (torch.arange(400) % 4 == 0).to(torch.uint8)[:, None].expand(-1, 14)
    logits = 1 - 2 * labels.float()
    calibration = _fitted(logits, labels)
    assert (calibration.scale == SMALLEST_SCALE).all()
    assert abs(float(torch.sigmoid(calibration(logits)).mean()) - 0.25) < 0.02


def test_fitting_lowers_the_loss_and_changes_the_digest() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(200, 14, generator=generator) * 4
    labels = (torch.rand(200, 14, generator=generator) < 0.3).to(torch.uint8)
    calibration = _fitted(logits, labels)
    before = functional.binary_cross_entropy_with_logits(logits, labels.float())
    after = functional.binary_cross_entropy_with_logits(calibration(logits), labels.float())
    assert after < before
    assert calibration.digest() != Calibration().digest()


def test_label_without_examples_keeps_the_identity() -> None:
    labels = torch.zeros(50, 14, dtype=torch.uint8)
    calibration = _fitted(torch.randn(50, 14), labels)
    assert calibration.digest() == Calibration().digest()
