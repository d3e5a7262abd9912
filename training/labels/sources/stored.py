"""Observations that `xray push --dcc` and `xray backfill` kept in object storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from services.common.errors import Rejected
from services.common.settings import Settings, load
from services.common.store import ObjectStore
from services.ingest.submissions.observations import PREFIX


def fetch_stored(folder: Path) -> Iterator[Path]:
    """Fetch every kept object into a folder, and yield each file; in the order of the keys.

    Raises Rejected `nothing_stored`, Retriable when the store is away, Fatal when it is misconfigured.
    """
    store = ObjectStore(load(Settings))
    keys = store.keys(PREFIX)
    if not keys:
        words = f"no observations below {PREFIX} of bucket {store.bucket}; see xray push --dcc and xray backfill"
        raise Rejected("nothing_stored", words)
    for key in keys:
        file = folder / PurePosixPath(key).name
        file.write_bytes(store.get(key))
        yield file
