"""Encodes a radiograph as the file that a centre would send.

DICOM files as centres send them: real tags, several transfer syntaxes, deterministic bytes.
"""

import datetime as dt
import io
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np
import pydicom.uid
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from training.simulation.anatomy.pose import DV, LAT
from training.simulation.centres import CentreStyle, Storage, style_of
from training.simulation.files.display import burn_text, display, quantise
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.imaging.technique import FOREPAW, HINDQUARTERS, SKULL_DV, SKULL_LAT

_UID_ROOT: Final = "1.2.826.0.1.3680043.8.498."
_BODY_PART: Final = {"SKULL_DV": "SKULL", "SKULL_LAT": "SKULL", "FOREPAW": "HAND", "HINDQUARTERS": "HIP"}
_FIRST_DAY: Final = dt.date(2016, 1, 4)


def write_dicom(
    pixels: NDArray[np.uint16], radiograph: Radiograph, style: CentreStyle, seed: int, rng: np.random.Generator
) -> bytes:
    """One DICOM file of stored values; photometric interpretation and transfer syntax are drawn from the style."""
    storage = style.storage
    syntax = pydicom.uid.UID(getattr(pydicom.uid, str(rng.choice(storage.syntaxes))))
    dark = bool(rng.random() < storage.dark_bone)
    top = (1 << storage.bits) - 1
    stored = (top - pixels).astype(np.uint16) if dark else pixels
    dataset = _described(radiograph, style, seed, rng)
    _add_pixels(dataset, stored, storage.bits, "MONOCHROME1" if dark else "MONOCHROME2")
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = storage.slope, storage.intercept, "US"
    if storage.window:
        dataset.WindowWidth = top * storage.slope
        dataset.WindowCenter = 0.5 * top * storage.slope + storage.intercept
    if syntax.is_compressed and not syntax.is_deflated:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _described(radiograph: Radiograph, style: CentreStyle, seed: int, rng: np.random.Generator) -> FileDataset:
    entropy = [radiograph.biological_sample_id, radiograph.centre, radiograph.view, str(seed)]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid([*entropy, "instance"])
    meta.ImplementationClassUID = _uid(["implementation"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    day = (_FIRST_DAY + dt.timedelta(days=int(rng.integers(0, 2500)))).strftime("%Y%m%d")
    values = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": _uid([*entropy[:2], "study"]),
        "SeriesInstanceUID": _uid([*entropy[:3], "series"]),
        "PatientID": radiograph.biological_sample_id,
        "PatientName": radiograph.biological_sample_id,
        "PatientSpeciesDescription": "Mus musculus",
        "StudyDate": day,
        "AcquisitionDate": day,
        "StudyTime": "101500",
        "Modality": "DX",
        "InstitutionName": style.institution,
        "Manufacturer": "Faxitron X-Ray Corporation",
        "BodyPartExamined": _BODY_PART.get(radiograph.view, "WHOLEBODY"),
        "KVP": "26",
        "InstanceNumber": seed % 1000,
        "ImagerPixelSpacing": [round(radiograph.mm_per_pixel, 5)] * 2,
    }
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _add_pixels(dataset: FileDataset, stored: NDArray[np.uint16], bits: int, photometric: str) -> None:
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.astype("<u2").tobytes()


def _uid(entropy: list[str]) -> pydicom.uid.UID:
    return generate_uid(prefix=_UID_ROOT, entropy_srcs=entropy)


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
