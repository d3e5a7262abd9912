"""What reads single pictures: the EfficientNet front end, or a convolutional autoencoder's encoder.

Each picture is one grey view, or its enlarged trunk: [m, 1, h, w] in [0, 1], h and w multiples of 16. Both stems give
maps at an eighth of the resolution. Only the autoencoder can rebuild a picture from what it has read.
"""

from typing import Protocol

from torch import Tensor, nn

from training.models.front_end import MAP_CHANNELS, FrontEnd


class ViewStem(Protocol):
    """Reads pictures in two steps: a code, and maps [m, channels, h / 8, w / 8] from it."""

    channels: int

    def encode(self, pictures: Tensor) -> Tensor:
        """Return the code of pictures [m, 1, h, w]."""

    def maps(self, code: Tensor) -> Tensor:
        """Return the maps of a code."""

    def rebuild(self, code: Tensor) -> Tensor | None:
        """Return the pictures [m, 1, h, w] rebuilt from a code, or None if the stem cannot."""


class EfficientNetStem(nn.Module):
    """EfficientNet-Lite0 with ImageNet weights, to block 3b; the code is the map (`training.models.front_end`)."""

    def __init__(self, frozen_blocks: int) -> None:
        super().__init__()
        self.channels = MAP_CHANNELS
        self.front_end = FrontEnd(frozen_blocks)

    def encode(self, pictures: Tensor) -> Tensor:
        """Return the map of block 3b."""
        maps: Tensor = self.front_end(pictures)
        return maps

    def maps(self, code: Tensor) -> Tensor:
        """Return the code."""
        return code

    def rebuild(self, code: Tensor) -> None:
        """Return None: the front end cannot rebuild a picture."""


class Autoencoder(nn.Module):
    """Encoder of one grey picture to a code of a quarter of its side (56x56x128 at 224), and the mirrored decoder.

    Decision: strides instead of max-pooling (paper) cost a quarter and lose no position that the decoder needs, and a
    sub-pixel rearrangement (Shi et al., CVPR 2016, arXiv:1609.05158) enlarges at a fraction of a transposed
    convolution's cost.
    """

    def __init__(self, first: int, code: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_halving(1, first), *_halving(first, code))
        self.decoder = nn.Sequential(
            nn.Conv2d(code, 4 * first, kernel_size=1),
            nn.PixelShuffle(2),
            nn.ReLU(),
            nn.Conv2d(first, 4, kernel_size=3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Rebuild pictures [m, 1, h, w]; values may leave [0, 1] slightly."""
        rebuilt: Tensor = self.decoder(self.encoder(pictures))
        return rebuilt


class AutoencoderStem(nn.Module):
    """An autoencoder's code, and the maps of `channels` that the heads read from it."""

    def __init__(self, first: int, code: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.front_end = Autoencoder(first, code)
        self.gather = nn.Sequential(
            nn.Conv2d(code, channels, kernel_size=2, stride=2), nn.BatchNorm2d(channels), nn.ReLU()
        )

    def encode(self, pictures: Tensor) -> Tensor:
        """Return the code [m, code, h / 4, w / 4]."""
        code: Tensor = self.front_end.encoder(pictures)
        return code

    def maps(self, code: Tensor) -> Tensor:
        """Return the maps of a code."""
        maps: Tensor = self.gather(code)
        return maps

    def rebuild(self, code: Tensor) -> Tensor:
        """Return the pictures rebuilt from a code."""
        rebuilt: Tensor = self.front_end.decoder(code)
        return rebuilt


def _halving(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel_size=3, stride=2, padding=1), nn.ReLU()]
