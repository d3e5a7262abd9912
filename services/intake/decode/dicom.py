"""DICOM: one frame of stored values, then the values' meaning (rescale, window, photometric interpretation)."""

from __future__ import annotations

from typing import Final

from pydicom import FileDataset
from pydicom.uid import UID

from services.common.errors import Rejected
from services.intake.decode.dicom_file import quiet_pydicom, read_dicom
from services.intake.decode.dicom_frame import stored_frame
from services.intake.decode.dicom_values import grey_of_stored, stored_values
from services.intake.decode.size import check_size
from services.intake.errors import corrupt
from services.intake.limits import Limits
from services.intake.raster import Raster, spread

_GREY: Final = frozenset({"MONOCHROME1", "MONOCHROME2"})
_COLOUR: Final = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})


def decode_dicom(data: bytes, limits: Limits) -> Raster:
    """Decode the first frame of a DICOM file; raises Rejected (see `decode`)."""
    with quiet_pydicom():
        dataset = read_dicom(data, limits.most_bytes)
        photometric = _checked_header(dataset, limits)
        stored = stored_frame(dataset)
        if stored.shape != (dataset.Rows, dataset.Columns):
            raise corrupt("the picture's size is not the one that the header declares")
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
        raise Rejected("dicom_without_picture", "the DICOM file holds no picture of integers")
    check_size(int(dataset.Columns), int(dataset.Rows), _frames(dataset), limits)
    photometric = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    allocated, stored = int(dataset.get("BitsAllocated", 0)), int(dataset.get("BitsStored", 0))
    if photometric not in _GREY | _COLOUR:
        raise Rejected("photometric_unsupported", "neither grey nor RGB or YBR colour", found=photometric)
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise Rejected("bits_unsupported", "samples must have 8 to 16 bits", allocated=allocated, stored=stored)
    samples = int(dataset.get("SamplesPerPixel", 1))
    if samples != (1 if photometric in _GREY else 3):
        raise corrupt("the number of samples does not fit the photometric interpretation")
    if photometric in _COLOUR and stored != allocated:
        raise Rejected("bits_unsupported", "colour samples must fill their bits", allocated=allocated, stored=stored)
    return photometric


def _frames(dataset: FileDataset) -> int:
    return int(dataset.get("NumberOfFrames", 1) or 1)
