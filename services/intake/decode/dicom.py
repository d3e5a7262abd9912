"""DICOM: the first frame's stored values, mapped to grey.

The mapping is modality LUT or rescale, then VOI LUT or window, then one inversion for MONOCHROME1 (DICOM PS3.3 C.11.1,
C.11.2 and C.7.6.3.1.2). All three are functions of one value, so they are computed for the at most 65,536 possible
values and looked up for the pixels.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydicom import FileDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import UID

from services.common.errors import Rejected
from services.intake.decode.dicom_file import quiet_pydicom, read_dicom
from services.intake.decode.dicom_frame import stored_frame
from services.intake.decode.errors import corrupt
from services.intake.decode.grey import check_size
from services.intake.raster import Grey, Raster, spread
from services.intake.settings import Limits

_WHITE: Final = 65535
Stored = NDArray[np.uint16]


def stored_values(stored: Grey, bits: int) -> Stored:
    """Return stored values as uint16 without the bits above BitsStored (overlays, sign extension)."""
    values = stored.astype(np.uint16, copy=False)
    return values if bits == 16 or stored.dtype == np.uint8 else values & np.uint16((1 << bits) - 1)


def grey_of_stored(values: Stored, dataset: FileDataset, *, inverted: bool) -> tuple[NDArray[np.uint16], str]:
    """Return grey uint16 of the same shape, and which mapping was applied: "lut", "window" or "none".

    0 to 65535 spans the range that the mapping can produce. A window of width 1 or less is ignored.
    """
    bits = int(dataset.BitsStored)
    possible = np.arange(1 << bits, dtype=np.int32)
    if int(dataset.get("PixelRepresentation", 0)) == 1:
        possible = np.where(possible >= 1 << (bits - 1), possible - (1 << bits), possible)
    shown = np.asarray(apply_modality_lut(possible, dataset))
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
        raise corrupt(f"the value mapping of the DICOM file gives only one level: {low:g} to {high:g}")
    return np.rint((shown - low) * (_WHITE / (high - low))).astype(np.uint16)


_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR: Final = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})


def decode_dicom(data: bytes, limits: Limits) -> Raster:
    """Decode the first frame of a DICOM file; raises Rejected (see `decode`)."""
    with quiet_pydicom():
        dataset = read_dicom(data, limits)
        photometric = _checked_header(dataset, limits)
        stored = stored_frame(dataset, limits)
        if stored.shape != (dataset.Rows, dataset.Columns):
            raise corrupt(
                f"the frame has {list(stored.shape)} pixels, the header declares {[dataset.Rows, dataset.Columns]}"
            )
        bits = int(dataset.BitsStored)
        values = stored_values(stored, bits)
        pixels, window = grey_of_stored(values, dataset, inverted=photometric == "MONOCHROME1")
        syntax = UID(dataset.file_meta.TransferSyntaxUID)
        return Raster(
            pixels,
            spread(values, bits),
            facts={
                "format": "DICOM",
                "transfer_syntax": str(syntax),
                "bits": bits,
                "photometric": photometric,
                "frames": _frames(dataset),
                "window": window,
            },
        )


def _checked_header(dataset: FileDataset, limits: Limits) -> str:
    if "PixelData" not in dataset or not dataset.get("Rows") or not dataset.get("Columns"):
        raise Rejected("dicom_without_picture", "the DICOM file contains no integer pixel data")
    check_size(int(dataset.Columns), int(dataset.Rows), _frames(dataset), limits)
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    allocated, stored = int(dataset.get("BitsAllocated", 0)), int(dataset.get("BitsStored", 0))
    if photometric not in _GREY | _COLOUR:
        photometric = photometric[:16]
        raise Rejected(
            "photometric_unsupported",
            f"the photometric interpretation is {photometric}, supported are MONOCHROME1, MONOCHROME2, RGB and YBR",
            found=photometric,
        )
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise Rejected(
            "bits_unsupported",
            f"the samples have {stored} bits stored in {allocated}, supported are 8 to 16 stored in 8 or 16",
            allocated=allocated,
            stored=stored,
        )
    samples = int(dataset.get("SamplesPerPixel", 1))
    if samples != (1 if photometric in _GREY else 3):
        raise corrupt(f"{photometric} with {samples} samples per pixel is not valid")
    if photometric in _COLOUR and stored != allocated:
        raise Rejected(
            "bits_unsupported",
            f"the colour samples have {stored} bits stored in {allocated}, both must be equal",
            allocated=allocated,
            stored=stored,
        )
    return photometric


def _frames(dataset: FileDataset) -> int:
    return int(dataset.get("NumberOfFrames", 1) or 1)
