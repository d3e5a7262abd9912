"""Encodes a radiograph as the file that a centre would send."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.simulation.anatomy.pose import DV, LAT
from training.simulation.centres import CentreStyle, Storage, style_of
from training.simulation.files.dicom import write_dicom
from training.simulation.files.display import burn_text, display, quantise
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.imaging.technique import FOREPAW, HINDQUARTERS, SKULL_DV, SKULL_LAT

PARAMETER_OF_VIEW: Final = MappingProxyType(
    {
        DV: "IMPC_XRY_034_001",
        LAT: "IMPC_XRY_048_001",
        FOREPAW: "IMPC_XRY_049_001",
        SKULL_LAT: "IMPC_XRY_050_001",
        SKULL_DV: "IMPC_XRY_051_001",
        HINDQUARTERS: "IMPC_XRY_052_001",
    }
)
_SUFFIX: Final = {"dicom": ".dcm", "png": ".png", "jpeg": ".jpg", "bmp": ".bmp", "tiff": ".tif"}
_OPTIONS: Final = {"jpeg": [cv2.IMWRITE_JPEG_QUALITY, 90], "png": [cv2.IMWRITE_PNG_COMPRESSION, 2]}
Pixels = NDArray[Any]


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """One file: its bytes, its name and its image parameter."""

    data: bytes
    file_name: str
    parameter_stable_id: str


def encode(radiograph: Radiograph, style: CentreStyle | None = None, seed: int = 0) -> EncodedImage:
    """Encode in the style of the radiograph's centre, or in `style`; the same arguments give the same bytes."""
    style = style or style_of(radiograph.centre)
    rng = np.random.default_rng((int(radiograph.biological_sample_id), seed, 4))
    grey = display(radiograph, style, rng)
    if rng.random() < style.text:
        grey = burn_text(grey, (f"{style.name[:3].upper()}-{radiograph.biological_sample_id}", "26 kV  10 s"))
    pixels = quantise(grey, style.storage.bits)
    if style.storage.kind == "dicom":
        data = write_dicom(pixels.astype(np.uint16), radiograph, style, seed, rng)
    else:
        data = _write_picture(pixels, style.storage, rng)
    name = f"{radiograph.biological_sample_id}_{radiograph.view.lower()}_{seed}{_SUFFIX[style.storage.kind]}"
    return EncodedImage(data, name, PARAMETER_OF_VIEW[radiograph.view])


def _write_picture(pixels: Pixels, storage: Storage, rng: np.random.Generator) -> bytes:
    top = (1 << storage.bits) - 1
    if rng.random() < storage.dark_bone:
        pixels = (top - pixels).astype(pixels.dtype)
    if rng.random() < storage.alpha:
        pixels = _with_alpha(pixels, top, rng)
    elif rng.random() < storage.colour:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    done, data = cv2.imencode(_SUFFIX[storage.kind], pixels, _OPTIONS.get(storage.kind, []))
    if not done:
        raise RuntimeError(f"OpenCV could not write {storage.kind}")
    return data.tobytes()


def _with_alpha(pixels: Pixels, top: int, rng: np.random.Generator) -> Pixels:
    """Colour and alpha with a transparent margin, whose hidden values are arbitrary, as after editing."""
    height, width = pixels.shape
    inset = max(round(0.01 * min(height, width)), 2)
    picture = np.repeat(pixels[:, :, None], 4, axis=2)
    picture[:, :, 3] = top
    margin = np.ones((height, width), dtype=np.bool_)
    margin[inset:-inset, inset:-inset] = False
    picture[margin, :3] = int(rng.integers(0, top + 1))
    picture[margin, 3] = 0
    return picture
