"""Observations of centres, kept in object storage as they were sent, for `xray train labels --stored`."""

import hashlib
from typing import Final

from services.common.store import ObjectStore

PREFIX: Final = "observations/"
_CONTENT_TYPES: Final = {"xml": "application/xml", "jsonl": "application/x-ndjson"}


def observations_key(data: bytes, suffix: str) -> str:
    """Return the key: `observations/<2>/<sha256>.xml` for a submission, `.jsonl` for documents of Solr."""
    name = hashlib.sha256(data).hexdigest()
    return f"{PREFIX}{name[:2]}/{name}.{suffix}"


def store_observations(store: ObjectStore, data: bytes, suffix: str) -> bool:
    """Store observations under their digest; False if the same bytes were stored already."""
    key = observations_key(data, suffix)
    if store.exists(key):
        return False
    store.put(key, data, _CONTENT_TYPES[suffix])
    return True
