"""Draw docs/assets/trunks.png, the models' input for the trunk: `python -m deploy.site.trunks`."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.fuser.fuse import fuse
from services.intake.settings import Limits
from services.intake.standardise import standardise
from training.models.output import unit_range
from training.models.trunk import COLUMNS, ROWS, normalise_contrast, sample_at, trunk_grid
from training.simulation import encode, make_specimen, render

PICTURE: Final = Path(__file__).parents[2] / "docs" / "assets" / "trunks.png"
_SEED: Final = 11
_CENTRE: Final = "JAX"
_KINDS: Final[tuple[dict[str, float], ...]] = ({}, {"scoliosis": 0.5}, {"vertebral_fusion": 0.9}, {"rib_fusion": 0.9})
_CAPTION: Final = 22

Tile = NDArray[np.uint8]


def main() -> None:
    """Simulate one normal and three abnormal mice, and draw their trunks as sampled and as levelled."""
    sheet = np.hstack([tile for kinds in _KINDS for tile in _specimen(kinds)])
    if not cv2.imwrite(str(PICTURE), sheet):
        raise RuntimeError("OpenCV could not write a PNG")


def _specimen(kinds: dict[str, float]) -> list[Tile]:
    specimen = make_specimen(_SEED, kinds=kinds, centre=_CENTRE)
    name = ", ".join(kinds).replace("_", " ") or "normal"
    views = [standardise(encode(render(specimen, v, 0), seed=0).data, None, Limits()).pixels for v in ("DV", "LAT")]
    image = unit_range(torch.from_numpy(fuse([views[0]], [views[1]])[None]))[:, :2]
    window = sample_at(image.reshape(-1, 1, *image.shape[2:]), trunk_grid(image))
    return [
        _tile(shown[row, 0], caption)
        for shown, first in ((window, name), (normalise_contrast(window), "levelled"))
        for row, caption in enumerate((first, ""))
    ]


def _tile(window: Tensor, caption: str) -> Tile:
    tile = np.zeros((ROWS + _CAPTION, COLUMNS + 4), dtype=np.uint8)
    tile[:ROWS, :COLUMNS] = np.rint(window.clamp(0, 1).numpy() * 255)
    cv2.putText(tile, caption, (2, ROWS + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
