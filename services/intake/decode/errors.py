"""One policy for decoders of foreign code: whatever they raise, the file is what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.common.errors import Rejected

_RUST_PANICS: Final = "pyo3_runtime"


@contextmanager
def corrupt_if_it_fails(what: str) -> Iterator[None]:
    """Turn any error of a decoder into Rejected `image_corrupt`; a Rejected passes unchanged."""
    try:
        yield
    except Rejected:
        raise
    except BaseException as error:
        # A panic of a codec written in Rust (pylibjpeg-rle) is no Exception; an interrupt is none either, and passes.
        if not isinstance(error, Exception) and type(error).__module__ != _RUST_PANICS:
            raise
        cause = f"{type(error).__name__}: {error}"
        raise Rejected("image_corrupt", f"the {what} cannot be decoded", cause=cause) from error


def corrupt(words: str) -> Rejected:
    """Rejected `image_corrupt`: the structure of the file contradicts itself."""
    return Rejected("image_corrupt", words)


def truncated(words: str) -> Rejected:
    """Rejected `image_truncated`: the file ends before its picture does."""
    return Rejected("image_truncated", words)
