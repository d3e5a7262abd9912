"""Errors of decoders. Whatever a third-party decoder raises, the file is at fault."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.common.errors import Rejected

_RUST_PANICS: Final = "pyo3_runtime"


@contextmanager
def corrupt_if_it_fails(what: str) -> Iterator[None]:
    """Turn any error of a decoder into Rejected `image_corrupt`; a Rejected is raised unchanged."""
    try:
        yield
    except Rejected:
        raise
    except BaseException as error:
        # A panic of a codec written in Rust (pylibjpeg-rle) is not an Exception. Neither is an interrupt: raise it.
        if not isinstance(error, Exception) and type(error).__module__ != _RUST_PANICS:
            raise
        cause = f"{type(error).__name__}: {error}"
        raise Rejected("image_corrupt", f"the {what} cannot be decoded: {cause}"[:1000], cause=cause) from error


def corrupt(message: str) -> Rejected:
    """Return Rejected `image_corrupt`: the structure of the file contradicts itself."""
    return Rejected("image_corrupt", message)


def truncated(message: str) -> Rejected:
    """Return Rejected `image_truncated`: the file ends before its image data does."""
    return Rejected("image_truncated", message)
