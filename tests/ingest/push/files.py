"""Small real files for the tests of `push`."""

from pathlib import Path

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian


def write_picture(path: Path, grey: int = 90) -> Path:
    """Write a small image; the suffix decides its format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((8, 8), grey, np.uint8))
    return path


def write_dicom(path: Path, **tags: str) -> Path:
    """Write a small DICOM file with these header values."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, UID("1.2.3")
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.Rows = dataset.Columns = 2
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 8, 8, 7
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME2"
    dataset.PixelData = b"\0\1\2\3"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
