"""Draw the pictures of simulated mice in docs/assets: `python -m deploy.site.pictures`.

`views.jpg` shows one mouse as sent, as stored and as the models' input; `trunks.png` the models' input for the trunk.
"""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from services.common.events.base import View
from services.common.preprocessing import TENSOR_SIDE
from services.fuser.fuse import fuse
from services.intake.settings import Limits
from services.intake.standardise import standardise
from training.models.output import unit_range
from training.models.trunk import COLUMNS, ROWS, normalise_contrast, sample_at, trunk_grid
from training.simulation import SimulatedSpecimen, encode, make_specimen, render

ASSETS: Final = Path(__file__).parents[2] / "docs" / "assets"
_SEED: Final = 11
_TRUNKS: Final[tuple[dict[str, float], ...]] = ({}, {"scoliosis": 0.5}, {"vertebral_fusion": 0.9}, {"rib_fusion": 0.9})
_CHANNELS: Final = ("0: mean DV", "1: mean LAT", "2: edges")
_CAPTION: Final = 22
_QUALITY: Final = 88

DV: Final[View] = "DV"
LAT: Final[View] = "LAT"
Tile = NDArray[np.uint8]


def draw_views() -> Tile:
    """Simulate one scoliotic mouse and draw its images as sent, as stored and as the models' input."""
    files = _files(make_specimen(_SEED, kinds={"scoliosis": 0.9}, centre="ICS"))
    views = {view: _standardised(data) for view, data in files.items()}
    tensor = fuse([views[DV]], [views[LAT]])
    tiles = [
        *(_fitted(_decoded(files[view]), f"{view}, as sent") for view in files),
        *(_fitted(views[view], f"{view} view, 448 x 448") for view in views),
        *(
            _fitted(tensor[..., channel], name)
            for channel, name in enumerate(("0: mean DV", "1: mean LAT", "2: edges"))
        ),
    ]
    return np.hstack(tiles)


def draw_trunks() -> Tile:
    """Simulate one normal and three abnormal mice, and draw their trunks as sampled and as levelled."""
    return np.hstack([tile for kinds in _TRUNKS for tile in _trunks(kinds)])


def _trunks(kinds: dict[str, float]) -> list[Tile]:
    name = ", ".join(kinds).replace("_", " ") or "normal"
    files = _files(make_specimen(_SEED, kinds=kinds, centre="JAX"))
    tensor = fuse([_standardised(files[DV])], [_standardised(files[LAT])])
    image = unit_range(torch.from_numpy(tensor[None]))[:, :2]
    window = sample_at(image.reshape(-1, 1, *image.shape[2:]), trunk_grid(image))
    return [
        _tile(np.rint(shown[row, 0].clamp(0, 1).numpy() * 255).astype(np.uint8), ROWS, COLUMNS, caption)
        for shown, first in ((window, name), (normalise_contrast(window), "levelled"))
        for row, caption in enumerate((first, ""))
    ]


def _files(specimen: SimulatedSpecimen) -> dict[View, bytes]:
    return {view: encode(render(specimen, view, 0), seed=0).data for view in (DV, LAT)}


def _standardised(data: bytes) -> Tile:
    return standardise(data, None, Limits()).pixels


def _decoded(data: bytes) -> Tile:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _fitted(picture: Tile, caption: str) -> Tile:
    """Fit a grey image into a square of the tensor's side, with its caption below."""
    scale = TENSOR_SIDE / max(picture.shape)
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return _tile(small, TENSOR_SIDE, TENSOR_SIDE, caption)


def _tile(picture: Tile, height: int, width: int, caption: str) -> Tile:
    tile = np.zeros((height + _CAPTION, width + 4), dtype=np.uint8)
    tile[: picture.shape[0], : picture.shape[1]] = picture
    cv2.putText(tile, caption, (4, height + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA)
    return tile


def main() -> None:
    """Draw and write both pictures."""
    written = (
        cv2.imwrite(str(ASSETS / "views.jpg"), draw_views(), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]),
        cv2.imwrite(str(ASSETS / "trunks.png"), draw_trunks()),
    )
    if not all(written):
        raise RuntimeError("OpenCV could not write a picture")


if __name__ == "__main__":
    main()
