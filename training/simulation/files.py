"""Encodes a radiograph as the file that a centre would send: grey values, then DICOM or a picture.

Detected intensity becomes the grey values that the centre stores. DICOM files have real tags, several transfer syntaxes
and deterministic bytes.
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
from training.simulation.imaging.radiograph import (
    BLANK,
    FOREPAW,
    HINDQUARTERS,
    OVER_EXPOSED,
    SKULL_DV,
    SKULL_LAT,
    Radiograph,
)
from training.simulation.imaging.rays import Picture
from training.simulation.wide.manner import wide_display

_TEXT_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX


def display(radiograph: Radiograph, style: CentreStyle, rng: np.random.Generator) -> Picture:
    """Grey values in [0, 1] with bright bone: logarithm (or detector counts), window, gamma, sharpening.

    The window follows the animal, as in viewing software; lead and blades saturate. For a blank picture it follows the
    noise, and for an over-exposed one the open field.
    """
    transmission = radiograph.transmission
    dense = 1.0 - transmission if style.storage.linear else -np.log(transmission)
    low, high = _window(dense, radiograph, rng)
    grey = np.clip((dense - low) * np.float32(1.0 / (high - low)), 0.0, 1.0).astype(np.float32)
    grey = np.asarray(cv2.pow(grey, float(rng.uniform(*style.gamma))), dtype=np.float32)
    amount = float(rng.uniform(*style.sharpening))
    if amount > 0.05:
        soft = cv2.GaussianBlur(grey, (0, 0), 0.6 / radiograph.mm_per_pixel)
        grey = np.asarray(cv2.addWeighted(grey, 1.0 + amount, soft, -amount, 0.0), dtype=np.float32)
    floor = float(rng.uniform(*style.floor))
    lifted: Picture = np.clip(floor + (1.0 - floor) * grey, 0.0, 1.0).astype(np.float32)
    return lifted


def _window(dense: Picture, radiograph: Radiograph, rng: np.random.Generator) -> tuple[float, float]:
    inside = dense[radiograph.mask][::7]
    # Some technicians choose a window in which the belly is nearly white.
    jitter = float(rng.uniform(0.7, 0.9) if rng.random() < 0.15 else rng.uniform(0.9, 1.1))
    field = radiograph.collimated
    exposed = slice(field.top, field.bottom, 5), slice(field.left, field.right, 5)
    open_field = dense[exposed]
    if radiograph.trouble in (BLANK, OVER_EXPOSED) or inside.size < 100:
        low, high = np.quantile(open_field, (0.01, 0.995))
        return float(low), float(max(high, low + 1e-3))
    background = open_field[~radiograph.mask[exposed]]
    # The quantile up to which the background is black; the last hundredths may be a lead letter.
    black = 1.0 - 0.97 * max(rng.random() ** 2, 0.04)
    low = float(np.quantile(background, black)) if background.size > 100 else float(open_field.min())
    return low, max(low + 0.05, float(np.quantile(inside, 0.997)) * jitter)


def burn_text(grey: Picture, lines: tuple[str, ...]) -> Picture:
    """Write lines of text in full white in the upper left corner, as acquisition software does."""
    size = max(grey.shape) / 2200.0
    marked = np.ascontiguousarray(grey)
    for number, line in enumerate(lines):
        at = (round(30 * size), round((45 + 42 * number) * size))
        cv2.putText(marked, line, at, _TEXT_FONT, size, 1.0, max(round(2 * size), 1), cv2.LINE_AA)
    return marked


def quantise(grey: Picture, bits: int) -> NDArray[Any]:
    """Round to integer grey values of the given number of bits."""
    top = (1 << bits) - 1
    values = np.rint(grey * np.float32(top))
    whole: NDArray[Any] = values.astype(np.uint8 if bits <= 8 else np.uint16)
    return whole


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
_FULL: Final = 65535


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """One file: its bytes, its name and its image parameter."""

    data: bytes
    file_name: str
    parameter_stable_id: str


def encode(radiograph: Radiograph, style: CentreStyle | None = None, seed: int = 0) -> EncodedImage:
    """Encode in the style of the radiograph's centre, or in `style`; the same arguments give the same bytes."""
    style = style or style_of(radiograph.centre)
    rng = _file_rng(radiograph, seed)
    pixels = _stored(radiograph, style, rng)
    if style.storage.kind == "dicom":
        data = write_dicom(pixels.astype(np.uint16), radiograph, style, seed, rng)
    else:
        data = _write_picture(pixels, style.storage, rng)
    name = f"{radiograph.biological_sample_id}_{radiograph.view.lower()}_{seed}{_SUFFIX[style.storage.kind]}"
    return EncodedImage(data, name, PARAMETER_OF_VIEW[radiograph.view])


def decoded(radiograph: Radiograph, style: CentreStyle | None = None, seed: int = 0) -> Pixels:
    """The pixels that intake decodes from the centre's file, without writing it: uint8, or uint16 over its full range.

    Compression and transparency are left out.
    """
    style = style or style_of(radiograph.centre)
    rng = _file_rng(radiograph, seed)
    pixels = _stored(radiograph, style, rng)
    top = (1 << style.storage.bits) - 1
    if pixels.dtype == np.uint16 and top < _FULL:
        pixels = (pixels.astype(np.float32) * np.float32(_FULL / top)).astype(np.uint16)
    # A DICOM file declares dark bone, so its reader inverts it; other formats do not.
    if style.storage.kind != "dicom" and rng.random() < style.storage.dark_bone:
        pixels = np.invert(pixels)
    return pixels


def _file_rng(radiograph: Radiograph, seed: int) -> np.random.Generator:
    return np.random.default_rng((int(radiograph.biological_sample_id), seed, 4))


def _stored(radiograph: Radiograph, style: CentreStyle, rng: np.random.Generator) -> Pixels:
    """Grey values as the centre stores them, bone bright, with text; those of the wide population in any manner."""
    if radiograph.population == "wide":
        return quantise(wide_display(radiograph, rng), style.storage.bits)
    grey = display(radiograph, style, rng)
    if rng.random() < style.text:
        grey = burn_text(grey, (f"{style.name[:3].upper()}-{radiograph.biological_sample_id}", "26 kV  10 s"))
    return quantise(grey, style.storage.bits)


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
