"""One file of each format and codec, for tests that need all of them."""

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from pydicom.data import get_testdata_file

from tests.intake import hostile
from tests.intake.files import dicom, encoded, exposure, grey

SMALL: Final = grey(exposure(side=192))
_OF_PYDICOM: Final = (
    "MR_small_RLE.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_implicit.dcm",
    "image_dfl.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "JPEG-LL.dcm",
    "JPGExtended.dcm",
    "test-SR.dcm",
)


def _samples() -> dict[str, bytes]:
    deep = SMALL.astype(np.uint16) * 257
    files = {extension: encoded(SMALL, extension) for extension in (".png", ".jpg", ".bmp", ".tiff")}
    files["progressive.jpg"] = encoded(SMALL, ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    files["alpha.png"] = encoded(cv2.cvtColor(SMALL, cv2.COLOR_GRAY2BGRA), ".png")
    files["lzw.tiff"] = encoded(deep, ".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 5)
    files["deflated.tiff"] = encoded(deep, ".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 8)
    files["window.dcm"] = dicom(SMALL.astype(np.uint16), bits=12, WindowCenter="128", WindowWidth="200")
    files["jp2.dcm"] = hostile.dicom_of_frame(hostile.jp2(256, 256, hostile.codestream()))
    files["sequences.dcm"] = hostile.deflated(hostile.empty_items(20))
    for name in _OF_PYDICOM:
        path = get_testdata_file(name, download=False)
        if isinstance(path, str):
            files[name] = Path(path).read_bytes()
    return files


SAMPLES: Final = _samples()
