"""Headers of a record on `xray.images` that reprocesses a past image with a newer preprocessing version."""

import re
from collections.abc import Iterable
from typing import Final

from services.common.errors import Rejected

REPROCESS_HEADER: Final = "xray-recall"
"""The preprocessing version that the image is reprocessed for. A rejection keeps it, so that this is not repeated."""
ORIGINAL_HEADER: Final = "xray-original"
"""SHA-256 (hex) of the image's original in object storage; the image's own address may no longer exist."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

Headers = Iterable[tuple[str, bytes]]


def reprocess_headers(preprocessing_version: str, image_sha256: str) -> list[tuple[str, bytes]]:
    """Return the headers of a record that reprocesses an image."""
    return [(REPROCESS_HEADER, preprocessing_version.encode()), (ORIGINAL_HEADER, image_sha256.encode())]


def original_of(headers: Headers) -> str | None:
    """Return the digest of the original that a record reprocesses, None for an ordinary announcement.

    Raises Rejected(`original_unknown`) for a value that is not a SHA-256.
    """
    for name, value in headers:
        if name == ORIGINAL_HEADER:
            text = value.decode(errors="replace")
            if not _SHA256.fullmatch(text):
                raise Rejected("original_unknown", f"the header {ORIGINAL_HEADER} is {text[:80]!r}, not a SHA-256")
            return text
    return None
