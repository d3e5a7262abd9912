"""Which images an id stands for, and what else the ledger knows about them, for `xray erase`."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Final

from services.ledger.database import Connection, mappings

# Only digests that intake computed: an announcement may name the digest of another centre's image.
_IMAGES: Final = """
with known as (
    select image_sha256, image_event_id from view where biological_sample_id = %(specimen)s
    union
    select image_sha256, image_event_id from image_view where biological_sample_id = %(specimen)s
    union
    select details ->> 'image_sha256', image_event_id from rejection
    where biological_sample_id = %(specimen)s and stage = 'intake'
)
select distinct image_sha256 from known
where image_sha256 is not null
  and (%(image)s::text is null or starts_with(image_sha256, %(image)s) or starts_with(image_event_id, %(image)s))
order by image_sha256
"""
_BEGINNING: Final = """
select image_sha256 from view where starts_with(image_sha256, %(text)s)
union
select image_sha256 from image_view where starts_with(image_sha256, %(text)s)
union
select details ->> 'image_sha256' from rejection
where stage = 'intake' and starts_with(details ->> 'image_sha256', %(text)s)
order by image_sha256
"""
_SPECIMENS: Final = """
select biological_sample_id from view where image_sha256 = any(%(images)s)
union
select biological_sample_id from image_view where image_sha256 = any(%(images)s)
union
select biological_sample_id from rejection
where stage = 'intake' and details ->> 'image_sha256' = any(%(images)s) and biological_sample_id is not null
order by biological_sample_id
"""
_DIGEST: Final = re.compile(r"[0-9a-f]{6,64}")
_TENSORS: Final = """
select distinct tensor_key from call
where biological_sample_id = any(%(specimens)s)
  and exists (select from jsonb_array_elements(views) as one where one ->> 'image_sha256' = any(%(images)s))
order by tensor_key
"""
_REFUSED: Final = """
select details ->> 'image_sha256' as image_sha256 from rejection
where stage = 'intake' and details ->> 'image_sha256' is not null
except
select details ->> 'image_sha256' from rejection where stage = 'intake' and recorded_at >= %(before)s
except
select image_sha256 from view
except
select image_sha256 from image_view
order by image_sha256
"""


def stored_images(connection: Connection, biological_sample_id: str, *, image: str | None = None) -> list[str]:
    """Return the SHA-256 of a specimen's images whose originals are stored, also of those that intake rejected.

    `image` restricts them to one, by the beginning of its SHA-256 or of its event id.
    """
    found = mappings(connection, _IMAGES, specimen=biological_sample_id, image=image)
    return [row["image_sha256"] for row in found]


def stored_images_named(connection: Connection, beginning: str) -> list[str]:
    """Return the SHA-256 of the stored images that begin with these characters, at least six hexadecimal digits."""
    if not _DIGEST.fullmatch(beginning):
        return []
    return [row["image_sha256"] for row in mappings(connection, _BEGINNING, text=beginning)]


def specimens_with(connection: Connection, images: Collection[str]) -> list[str]:
    """Return the specimens for which one of these images was announced, also those for which it was rejected."""
    return [row["biological_sample_id"] for row in mappings(connection, _SPECIMENS, images=list(images))]


def called_tensors(connection: Connection, specimens: Collection[str], images: Collection[str]) -> list[str]:
    """Return the keys of the tensors of these specimens' calls, past and present, that contain one of these images."""
    found = mappings(connection, _TENSORS, specimens=list(specimens), images=list(images))
    return [row["tensor_key"] for row in found]


def refused_originals(connection: Connection, before: datetime) -> list[str]:
    """Return the SHA-256 of images that intake last rejected before this time, and of which there is no view."""
    return [row["image_sha256"] for row in mappings(connection, _REFUSED, before=before)]
