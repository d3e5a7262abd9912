"""What stored values mean: modality LUT or rescale, then VOI LUT or window, then MONOCHROME1 inverted, once.

(DICOM PS3.3 C.11.1 and C.11.2, PS3.3 C.7.6.3.1.2.) All three are functions of one value, so they are worked out for the
65,536 possible ones and looked up for the pixels.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from services.intake.errors import corrupt
from services.intake.raster import Grey

_WHITE: Final = 65535
Stored = NDArray[np.uint16]


def stored_values(stored: Grey, bits: int) -> Stored:
    """Stored values as uint16 without what lies above BitsStored (overlays, sign extension)."""
    values = stored.astype(np.uint16, copy=False)
    return values if bits == 16 or stored.dtype == np.uint8 else values & np.uint16((1 << bits) - 1)


def grey_of_stored(values: Stored, dataset: FileDataset, *, inverted: bool) -> tuple[NDArray[np.uint16], str]:
    """Grey uint16 of the same shape, spanning 0 to 65535 over what the mapping can give; and what was applied.

    The second result is "lut", "window" or "none". A window of no width is ignored.
    """
    bits = int(dataset.BitsStored)
    meaning = np.arange(1 << bits, dtype=np.int32)
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        meaning = np.where(meaning >= 1 << (bits - 1), meaning - (1 << bits), meaning)
    shown = np.asarray(apply_modality_lut(meaning, dataset))
    window = _window(dataset)
    if window != "none":
        shown = apply_voi_lut(shown, dataset, index=0, prefer_lut=window == "lut")
    grey = _stretched(np.asarray(shown, dtype=np.float64))
    if inverted:
        grey = _WHITE - grey
    return np.take(grey, values), window


def _window(dataset: FileDataset) -> str:
    if dataset.get("VOILUTSequence"):
        return "lut"
    width = dataset.get("WindowWidth")
    if width is None or dataset.get("WindowCenter") is None:
        return "none"
    first = width if isinstance(width, float | int) else width[0]
    return "window" if float(first) > 1 else "none"


def _stretched(shown: NDArray[np.float64]) -> NDArray[np.uint16]:
    low, high = float(shown.min()), float(shown.max())
    if not np.isfinite([low, high]).all() or high <= low:
        raise corrupt("the value mapping of the DICOM file gives one level only")
    return np.rint((shown - low) * (_WHITE / (high - low))).astype(np.uint16)
