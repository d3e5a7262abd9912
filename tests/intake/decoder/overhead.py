"""What decoding in a child process costs: `python -m tests.intake.decoder.overhead`.

For images of 1,500x1,500 pixels with 16 bits, it prints the shortest time here, in a child, and the difference.
"""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing

import cv2

from services.intake.decode import decode
from services.intake.decoder.process import DecoderPool
from services.intake.raster import Raster
from tests.intake.files import LIMITS, dicom, encoded, exposure, grey

ROUNDS = 60


def measured(data: bytes, decoders: Mapping[str, Callable[[bytes], Raster]]) -> dict[str, float]:
    """Milliseconds of each decoder, which take turns: the shortest of 60, because other programs only add to it."""
    times: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(ROUNDS):
        for name, run in decoders.items():
            started = time.perf_counter()
            run(data)
            times[name].append(time.perf_counter() - started)
    return {name: min(values) * 1000 for name, values in times.items()}


def main() -> None:
    image = grey(exposure(side=1500), 16)
    files = {
        "DICOM, uncompressed": dicom(image),
        "TIFF, uncompressed": encoded(image, ".tiff", cv2.IMWRITE_TIFF_COMPRESSION, 1),
        "PNG": encoded(image, ".png"),
    }
    with closing(DecoderPool("overhead", LIMITS, 1)) as pool:
        pool.start()
        for name, data in files.items():
            result = measured(data, {"here": lambda data: decode(data, LIMITS), "child": pool.decode})
            here, child = result["here"], result["child"]
            sys.stdout.write(f"{name:20} {here:6.1f} ms here, {child:6.1f} ms in a child: {child - here:+.1f} ms\n")


if __name__ == "__main__":
    main()
