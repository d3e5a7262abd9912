"""The program of a decoder process: `python -m services.intake.decoder.worker LIMITS`, started by process.py.

Its standard input is the socket to the parent. It loads its libraries, confines itself, and then decodes one image
after another until the parent closes the socket.
"""

import io
import json
import os
import signal
import socket
import sys
import time
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.ma  # numpy loads it late

from services.common.errors import Rejected
from services.intake.decode import decode
from services.intake.decoder.confine import confine, silence
from services.intake.decoder.protocol import EXIT_NO_MEMORY, HEADER, REQUEST
from services.intake.raster import Grey, Raster
from services.intake.settings import Limits

_MEGABYTE = 1 << 20


def main() -> None:
    """Serve one parent."""
    limits = Limits.model_validate_json(sys.argv[1])
    _load()
    with socket.socket(fileno=0) as parent, parent.makefile("rb") as requests:
        silence()
        ready = confine(limits.decoder_memory_mb * _MEGABYTE)
        _send(parent, ready.model_dump(), None)
        try:
            while _serve(parent, requests, limits):
                pass
        except MemoryError:
            # Nothing more can be said: what is left of the image still fills the memory.
            os._exit(EXIT_NO_MEMORY)


def _load() -> None:
    """Load what libraries would load when they first need it: no file can be opened later."""
    cv2.setNumThreads(1)
    imagecodecs.jpeg8_check(b"")  # loads the codec


def _next(requests: io.BufferedReader) -> bytes | None:
    head = requests.read(REQUEST.size)
    if len(head) < REQUEST.size:
        return None
    (length,) = REQUEST.unpack(head)
    data = requests.read(length)
    return data if len(data) == length else None


def _serve(parent: socket.socket, requests: io.BufferedReader, limits: Limits) -> bool:
    """Decode one file and answer; return False once the parent has closed the socket.

    SIGPROF ends the process when its processor time is over.
    """
    data = _next(requests)
    if data is None:
        return False
    signal.setitimer(signal.ITIMER_PROF, limits.decoder_cpu_seconds)
    pixels: Grey | None = None
    try:
        raster = decode(data, limits)
        reply, pixels = {"raster": _header(raster)}, raster.pixels
    except Rejected as rejected:
        reply = {
            "rejected": {"reason": rejected.reason, "message": rejected.message, "details": rejected.details},
        }
    signal.setitimer(signal.ITIMER_PROF, 0)
    _send(parent, {"cpu_seconds": time.process_time(), **reply}, pixels)
    return True


def _header(raster: Raster) -> dict[str, Any]:
    rows, columns = raster.pixels.shape
    return {
        "rows": rows,
        "columns": columns,
        "dtype": str(raster.pixels.dtype),
        "stored_range": raster.stored_range,
        "facts": raster.facts,
    }


def _send(parent: socket.socket, message: dict[str, Any], pixels: Grey | None) -> None:
    text = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace")
    parent.sendall(HEADER.pack(len(text)) + text)
    if pixels is not None:
        parent.sendall(np.ascontiguousarray(pixels).data.cast("B"))


if __name__ == "__main__":
    main()
