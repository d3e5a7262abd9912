"""Files for the tests: simulated exposures, and pictures written in each format."""

import io
import struct
import zlib
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from services.intake.settings import Limits
from training.simulation.imaging.radiograph import Radiograph
from training.simulation.render import render
from training.simulation.specimen import make_specimen

LIMITS = Limits(_env_file=None)


@cache
def exposure(
    view: str = "DV",
    seed: int = 3,
    *,
    trouble: str | None = None,
    head_angle: float = 20.0,
    mirrored: bool = False,
    side: int = 600,
    centre: str = "JAX",
) -> Radiograph:
    """A normal simulated mouse, small enough for a fast test."""
    specimen = make_specimen(seed, centre=centre, abnormal=False)
    return render(specimen, view, seed, side=side, trouble=trouble, head_angle=head_angle, mirrored=mirrored)


def grey(picture: Radiograph, bits: int = 8) -> NDArray[Any]:
    """Map an exposure to grey: bone bright, logarithmic, with some margin at both ends of the scale."""
    shown = -np.log(np.clip(picture.transmission, 0.01, 1.1))
    low, high = np.percentile(shown, (1, 99.9))
    levels = np.clip((shown - low) / (high - low) * 0.9 + 0.05, 0, 1) * (2**bits - 1)
    return np.asarray(np.rint(levels), dtype=np.uint8 if bits <= 8 else np.uint16)


def encoded(image: NDArray[Any], extension: str, *options: int) -> bytes:
    done, data = cv2.imencode(extension, image, options)
    assert done
    return bytes(data)


def stored_pixels(png: bytes) -> NDArray[Any]:
    """The pixels of a stored view."""
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels


def dicom(stored: NDArray[Any], *, bits: int = 16, photometric: str = "MONOCHROME2", **tags: Any) -> bytes:
    """A computed radiograph, explicit little endian, uncompressed; `tags` by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian)
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = stored.dtype.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        dataset.NumberOfFrames = stored.shape[0]
    dataset.PixelData = stored.tobytes()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def png_header(columns: int, rows: int) -> bytes:
    """A PNG that declares a size and has almost no data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    empty = zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", empty) + chunk(b"IEND", b"")
