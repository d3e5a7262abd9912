"""Errors of decoders. Whatever a third-party decoder raises, the file is at fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import cv2

from services.common.errors import Rejected

_RUST_PANICS: Final = "pyo3_runtime"
_OPENCV_NO_MEMORY: Final = -4
"""cv::Error::StsNoMem."""


@contextmanager
def corrupt_if_it_fails(what: str) -> Iterator[None]:
    """Turn any error of a decoder into Rejected `image_corrupt`.

    A Rejected is raised unchanged, and so is a MemoryError, also when a library replaced either with an error of its
    own.
    """
    try:
        yield
    except BaseException as error:
        # A panic of a codec written in Rust (pylibjpeg-rle) is not an Exception. Neither is an interrupt: raise it.
        if not isinstance(error, Exception) and type(error).__module__ != _RUST_PANICS:
            raise
        for one in _causes(error):
            if isinstance(one, Rejected):
                raise one from None
            if isinstance(one, MemoryError) or (isinstance(one, cv2.error) and one.code == _OPENCV_NO_MEMORY):
                raise MemoryError from error
        cause = f"{type(error).__name__}: {error}"[:1000]
        raise Rejected("image_corrupt", f"the {what} cannot be decoded: {cause}"[:1000], cause=cause) from error


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from, newest first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def corrupt(message: str) -> Rejected:
    """Return Rejected `image_corrupt`: the structure of the file contradicts itself."""
    return Rejected("image_corrupt", message)


def truncated(message: str) -> Rejected:
    """Return Rejected `image_truncated`: the file ends before its image data does."""
    return Rejected("image_truncated", message)
