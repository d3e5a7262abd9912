"""A contact sheet of simulated pictures: every centre's DV and LAT, close-ups, troubles and abnormalities."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.pose import DV, LAT
from training.simulation.centres import STYLES, style_of
from training.simulation.files import display, quantise
from training.simulation.imaging.radiograph import FOREPAW, HINDQUARTERS, SKULL_DV, SKULL_LAT, TROUBLES, Radiograph
from training.simulation.render import render
from training.simulation.specimen import make_specimen

_TILE: Final = 260
_CAPTION: Final = 20
_COLUMNS: Final = 6
_QUALITY: Final = 85
_SHOWN: Final = (
    ("scoliosis", DV),
    ("kyphosis", LAT),
    ("tail_kink", DV),
    ("short_tail", LAT),
    ("vertebral_fusion", DV),
    ("rib_fusion", DV),
    ("joints", DV),
    ("ribcage_shape", DV),
)


def write_contact_sheet(path: Path, seed: int = 1) -> None:
    """Write the sheet as JPEG, below 500 kB."""
    write_tiles(path, _pictures(seed))


def write_tiles(path: Path, pictures: Iterable[tuple[Radiograph, str]]) -> None:
    """Write radiographs with captions as one JPEG, six to a row."""
    tiles = [_tile(radiograph, caption, number) for number, (radiograph, caption) in enumerate(pictures)]
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % _COLUMNS)
    rows = [np.hstack(tiles[start : start + _COLUMNS]) for start in range(0, len(tiles), _COLUMNS)]
    done, data = cv2.imencode(".jpg", np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise RuntimeError("OpenCV could not write a JPEG")
    path.write_bytes(data.tobytes())


def _pictures(seed: int) -> Iterator[tuple[Radiograph, str]]:
    for number, centre in enumerate(STYLES):
        specimen = make_specimen(seed * 1000 + number, centre=centre, abnormal=False)
        for view in (DV, LAT):
            yield render(specimen, view, 0), f"{centre} {view}"
    specimen = make_specimen(seed * 1000 + 50, centre="UC Davis", abnormal=False)
    for view in (SKULL_DV, SKULL_LAT, FOREPAW, HINDQUARTERS):
        yield render(specimen, view, 0), view.lower()
    for trouble in TROUBLES:
        yield render(specimen, DV, 0, trouble=trouble), trouble
    yield render(specimen, DV, 0, mirrored=True), "mirrored DV"
    for number, (kind, view) in enumerate(_SHOWN):
        altered = make_specimen(seed * 1000 + 100 + number, centre="JAX", kinds={kind: 0.8})
        yield render(altered, view, 0, head_angle=0.0 if view == DV else 90.0), f"{kind} {view}"


def _tile(radiograph: Radiograph, caption: str, number: int) -> NDArray[np.uint8]:
    grey = display(radiograph, style_of(radiograph.centre), np.random.default_rng(number))
    picture = quantise(grey, 8).astype(np.uint8)
    scale = _TILE / max(picture.shape)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((_TILE + _CAPTION, _TILE + 4), dtype=np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    cv2.putText(tile, caption, (2, _TILE + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 255, 1, cv2.LINE_AA)
    return tile
