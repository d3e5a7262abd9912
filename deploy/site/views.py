"""Draw docs/assets/views.jpg, examples of a view and a tensor: `python -m deploy.site.views`."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from services.common.events.base import View
from services.common.preprocessing import TENSOR_SIDE
from services.fuser.fuse import fuse
from services.intake.settings import Limits
from services.intake.standardise import standardise
from training.simulation import encode, make_specimen, render

PICTURE: Final = Path(__file__).parents[2] / "docs" / "assets" / "views.jpg"
_SEED: Final = 11
_KINDS: Final = {"scoliosis": 0.9}
_CAPTION: Final = 22
_QUALITY: Final = 88

DV: Final[View] = "DV"
LAT: Final[View] = "LAT"
VIEWS: Final = (DV, LAT)
Tile = NDArray[np.uint8]


def main() -> None:
    """Simulate one scoliotic mouse and draw its images as sent, as stored and as the models' input."""
    specimen = make_specimen(_SEED, kinds=_KINDS, centre="ICS")
    files = {view: encode(render(specimen, view, 0), seed=0).data for view in VIEWS}
    views = {view: standardise(data, None, Limits()).pixels for view, data in files.items()}
    tensor = fuse([views[DV]], [views[LAT]])
    rows = [
        [_tile(_decoded(files[DV]), "DV, as sent"), _tile(_decoded(files[LAT]), "LAT, as sent")],
        [_tile(views[DV], "DV view, 448 x 448"), _tile(views[LAT], "LAT view, 448 x 448")],
        [_tile(tensor[..., channel], name) for channel, name in enumerate(("0: mean DV", "1: mean LAT", "2: edges"))],
    ]
    sheet = np.hstack([tile for row in rows for tile in row])
    done, data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    PICTURE.write_bytes(data.tobytes())


def _decoded(data: bytes) -> Tile:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), dtype=np.uint8)


def _tile(picture: Tile, caption: str) -> Tile:
    """Fit a grey image into a square of the tensor's side, with its caption below."""
    scale = TENSOR_SIDE / max(picture.shape)
    height, width = (max(1, round(side * scale)) for side in picture.shape)
    tile = np.zeros((TENSOR_SIDE + _CAPTION, TENSOR_SIDE + 4), dtype=np.uint8)
    tile[:height, :width] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    cv2.putText(tile, caption, (4, TENSOR_SIDE + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA)
    return tile


if __name__ == "__main__":
    main()
