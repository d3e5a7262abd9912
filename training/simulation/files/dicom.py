"""DICOM files as centres send them: real tags, several transfer syntaxes, deterministic bytes."""

import datetime as dt
import io
from typing import Final

import numpy as np
import pydicom.uid
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from training.simulation.centres import CentreStyle
from training.simulation.imaging.radiograph import Radiograph

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
