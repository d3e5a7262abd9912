"""A backbone as Triton serves it: raw tensors in, calibrated and consistent probabilities out."""

import torch
from torch import Tensor, nn

from training.models.calibration import Calibration
from training.models.heads import HeadOutputs, coherent_probabilities
from training.models.output import Output


class ServedBackbone(nn.Module):
    """uint8 [n, side, side, 3] to the probabilities of the three levels; it normalises the images itself."""

    def __init__(self, backbone: nn.Module, calibration: Calibration) -> None:
        super().__init__()
        self.backbone = backbone
        self.calibration = calibration

    def forward(self, image: Tensor) -> HeadOutputs:
        """Compute the probabilities."""
        output: Output = self.backbone(unit_range(image))
        return coherent_probabilities(self.calibration(output.logits))


def unit_range(image: Tensor) -> Tensor:
    """Turn uint8 [n, side, side, 3] into float32 [n, 3, side, side] in [0, 1].

    The cast comes first because TensorRT rejects any other operation on a uint8 tensor.
    """
    return image.to(torch.float32).permute(0, 3, 1, 2) / 255
