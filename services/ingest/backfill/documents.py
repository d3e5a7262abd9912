"""From a document of the core impc_images to a picture to push, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from pydantic import JsonValue

from services.common.errors import Rejected
from services.common.events import image_kind
from services.ingest.backfill.client import BackfillClient
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.submissions import specimen_id
from services.intake.decode.sniff import sniff

_HEAD_BYTES: Final = 132
_NO_PICTURE: Final = frozenset({"-1", "-1.0"})
_STATED: Final = ("observation_id", "omero_id", "external_sample_id", "file_type", "gene_symbol", "zygosity", "sex")


@dataclass(frozen=True)
class Download:
    """A picture at an address of Solr's documents; `name` is what the centre called the file."""

    url: str
    name: str
    client: BackfillClient
    limit: int

    def __str__(self) -> str:
        return self.url or self.name

    @property
    def file_name(self) -> str:
        """The file's name at the centre."""
        return self.name

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """The address: an OMERO id stands for one file for good."""
        return (self.url,)

    def read(self) -> bytes:
        """Download the original file; raises what Client.get raises, and Rejected `not_an_image` (a page of words)."""
        data = self.client.get(self.url, self.limit)
        if sniff(data[:_HEAD_BYTES]) is None:
            raise Rejected("not_an_image", f"{self.url} is not a DICOM, JPEG, PNG, BMP or TIFF file")
        return data


@dataclass(frozen=True)
class ImageDownloads:
    """How pictures are had: relative addresses count from Solr's, and only these hosts are asked."""

    client: BackfillClient
    solr_url: str
    hosts: frozenset[str]
    limit: int

    def of(self, document: Mapping[str, Any]) -> PushImage | SkippedFile:
        """Plan one document.

        The original file is taken (`download_url`), never the contrast-stretched rendering (`jpeg_url`). Left out:
        `no_picture` (omero_id -1, no address), `no_biological_sample_id` (an id is never invented),
        `parameter_unknown` (legacy sets reuse the numbers), `host_not_allowed`.
        """
        text = {name: _text(value) for name, value in document.items()}
        address = text.get("download_url", "")
        url = urljoin(f"{self.solr_url}/", address) if address else ""
        path = text.get("download_file_path", "") or urlsplit(url).path
        source = Download(url, PurePosixPath(path).name or text.get("observation_id", "?"), self.client, self.limit)
        if not address or text.get("omero_id") in _NO_PICTURE:
            words = f"observation {text.get('observation_id', '?')} has no picture (omero_id -1)"
            return SkippedFile(source, "no_picture", words, failed=False)
        sample = specimen_id(text.get("biological_sample_id"), None, None, None)
        if sample is None:
            words = f"observation {text.get('observation_id', '?')} has no biological_sample_id"
            return SkippedFile(source, "no_biological_sample_id", words, failed=False)
        parameter = text.get("parameter_stable_id", "")
        try:
            image_kind(parameter)
        except Rejected as rejected:
            return SkippedFile(source, rejected.reason, rejected.message, failed=False)
        if (urlsplit(url).hostname or "") not in self.hosts:
            return SkippedFile(source, "host_not_allowed", "the picture lies on another host; allow it by --image-host")
        return PushImage(
            source,
            sample,
            text.get("phenotyping_center", ""),
            parameter,
            increment=text.get("increment_value") or None,
            acquired_at=_moment(text.get("date_of_experiment", "")),
            metadata=_stated(text, url, document.get("parameter_association_stable_id")),
        )


def _stated(text: Mapping[str, str], url: str, associations: object) -> dict[str, str]:
    stated = {name: text[name] for name in _STATED if text.get(name)} | {"uri": url}
    ties = [str(one) for one in associations] if isinstance(associations, list) else []
    return stated | ({"parameter_associations": ",".join(dict.fromkeys(ties))[:1000]} if ties else {})


def _text(value: object) -> str:
    """Text of a field without control characters, which no event may carry; empty for none and for lists."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    return "".join(one if one.isprintable() else " " for one in str(value)).strip()


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
