"""The messages between intake and a decoder process, on a pair of connected sockets.

A request is the length of a file (8 bytes) and the file. A reply is the length of a JSON text (4 bytes), that text (a
Reply) and, after a raster, its pixels. The child sends one Ready before its first reply. The parent trusts nothing that
a child sends: it may be under the control of a file.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from services.common.errors import Rejected
from services.intake.decode import DECODE_REASONS
from services.intake.raster import Grey, Raster
from services.intake.settings import Limits

REQUEST: Final = struct.Struct(">Q")
HEADER: Final = struct.Struct(">I")
EXIT_NO_MEMORY: Final = 3
"""Exit code of a child whose memory is used up."""
_MOST_HEADER_BYTES: Final = 1 << 20

Wait = Callable[[], float]
"""Returns for how many seconds to wait before it is called again; raises when the time is over."""


class BrokenReplyError(Exception):
    """A child sent something that is not a reply, or stopped in the middle of one."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Ready(_Message):
    """What the operating system enforces for this child."""

    memory: bool
    system_calls: bool


class RasterHeader(_Message):
    """A Raster without its pixels."""

    rows: Annotated[int, Field(ge=1)]
    columns: Annotated[int, Field(ge=1)]
    dtype: Literal["uint8", "uint16"]
    stored_range: float
    facts: dict[str, JsonValue]


class RejectedHeader(_Message):
    """A Rejected."""

    reason: str
    message: Annotated[str, Field(max_length=4000)]
    details: dict[str, JsonValue]


class Reply(_Message):
    """The result of one request: a raster or a rejection.

    `cpu_seconds` is the processor time of the process so far.
    """

    cpu_seconds: float
    raster: RasterHeader | None = None
    rejected: RejectedHeader | None = None


def send_request(connection: socket.socket, data: bytes, wait: Wait) -> None:
    """Send a file; raises what `wait` raises, or OSError when the child is gone."""
    for part in (REQUEST.pack(len(data)), data):
        left = memoryview(part)
        while left:
            connection.settimeout(wait())
            try:
                left = left[connection.send(left) :]
            except TimeoutError:
                continue


def receive_ready(connection: socket.socket, wait: Wait) -> Ready:
    """Receive the first message of a child; raises BrokenReplyError, OSError or what `wait` raises."""
    return Ready.model_validate_json(_header(connection, wait))


def receive_reply(connection: socket.socket, limits: Limits, wait: Wait) -> tuple[float, Raster | Rejected]:
    """Receive the processor time of the child so far and a result.

    Raises BrokenReplyError, OSError or what `wait` raises.
    """
    try:
        reply = Reply.model_validate_json(_header(connection, wait))
    except ValidationError as error:
        msg = "the decoder sent an invalid reply"
        raise BrokenReplyError(msg) from error
    if reply.raster is not None:
        return reply.cpu_seconds, _raster(connection, reply.raster, limits, wait)
    rejected = reply.rejected
    if rejected is None or rejected.reason not in DECODE_REASONS:
        msg = "the decoder sent no result, or one with an unknown reason"
        raise BrokenReplyError(msg)
    result = Rejected(rejected.reason, rejected.message)
    result.details = rejected.details
    return reply.cpu_seconds, result


def _raster(connection: socket.socket, header: RasterHeader, limits: Limits, wait: Wait) -> Raster:
    if header.rows * header.columns > limits.most_pixels or min(header.rows, header.columns) < limits.least_side:
        msg = f"the decoder sent an image of {header.columns}x{header.rows} pixels"
        raise BrokenReplyError(msg)
    pixels: Grey = np.empty((header.rows, header.columns), header.dtype)
    _receive_into(connection, pixels.data.cast("B"), wait)
    return Raster(pixels, header.stored_range, header.facts)


def _header(connection: socket.socket, wait: Wait) -> bytearray:
    (length,) = HEADER.unpack(_received(connection, HEADER.size, wait))
    if length > _MOST_HEADER_BYTES:
        msg = f"the decoder sent a header of {length} bytes"
        raise BrokenReplyError(msg)
    return _received(connection, length, wait)


def _received(connection: socket.socket, size: int, wait: Wait) -> bytearray:
    data = bytearray(size)
    _receive_into(connection, memoryview(data), wait)
    return data


def _receive_into(connection: socket.socket, left: memoryview, wait: Wait) -> None:
    while left:
        connection.settimeout(wait())
        try:
            count = connection.recv_into(left)
        except TimeoutError:
            continue
        if not count:
            msg = "the decoder ended before its reply"
            raise BrokenReplyError(msg)
        left = left[count:]
