"""Turns a document of the core impc_images into an image to push, or into the reason why it is skipped."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from services.common.errors import Fatal, Rejected
from services.common.events import image_kind
from services.common.events.animal import Animal
from services.common.sources.hosts import AllowedHosts
from services.common.sources.uri import WebUri, parse_web_uri
from services.ingest.backfill.client import BackfillClient
from services.ingest.push.image import PushImage, SkippedFile
from services.ingest.submissions import specimen_id
from services.intake.decode.sniff import sniff

_HEAD_BYTES: Final = 132
_NO_PICTURE: Final = frozenset({"-1", "-1.0"})
_METADATA: Final = ("observation_id", "omero_id", "external_sample_id", "file_type", "gene_symbol", "zygosity", "sex")

_ANIMAL: Final = {
    "sample_group": "biological_sample_group",
    "sex": "sex",
    "strain_accession_id": "strain_accession_id",
}
"""Facts about the animal, and the fields of Solr that state them."""


@dataclass(frozen=True)
class Download:
    """An image at an address from Solr's documents (None if there is none); `name` is the centre's name of the file."""

    uri: WebUri | None
    name: str
    client: BackfillClient
    limit: int

    def __str__(self) -> str:
        return str(self.uri or self.name)

    @property
    def file_name(self) -> str:
        """The file's name at the centre."""
        return self.name

    def fingerprint(self) -> tuple[JsonValue, ...]:
        """The address; an OMERO id always refers to the same file."""
        return (self.uri.origin + self.uri.target if self.uri else None,)

    def read(self) -> bytes:
        """Download the original file; raises as BackfillClient.get, and Rejected `not_an_image` (a web page)."""
        if self.uri is None:
            raise Rejected("no_picture", f"{self.name} has no address")
        data = self.client.get(self.uri, self.limit)
        if sniff(data[:_HEAD_BYTES]) is None:
            raise Rejected("not_an_image", f"{self.uri} is not a DICOM, JPEG, PNG, BMP or TIFF file")
        return data


def solr_address(url: str) -> WebUri:
    """Parse Solr's address; raises Fatal for anything but http:// or https:// with a host."""
    return _parsed("--solr", f"{url}/-")


def allowed_hosts(solr: WebUri, image_hosts: Iterable[str], private: frozenset[str]) -> AllowedHosts:
    """Allow Solr's own origin, and further hosts to download from; those in `private` may have private addresses.

    An image host is `host` or `host:port` for HTTPS, or `http://host:port` to allow plain HTTP. Raises Fatal for
    anything else.
    """
    named = (name if "://" in name else f"https://{name}" for name in image_hosts)
    origins = {_parsed("--image-host", f"{name}/-").origin for name in named}
    return AllowedHosts(frozenset({solr.origin, *origins}), private, "--image-host")


def _parsed(option: str, address: str) -> WebUri:
    try:
        return parse_web_uri(address)
    except ValueError as error:
        msg = f"{option}: {error}"
        raise Fatal(msg) from error


@dataclass(frozen=True)
class ImageDownloads:
    """Where images are downloaded: relative addresses are resolved against Solr's, and only `hosts` are allowed."""

    client: BackfillClient
    solr: WebUri
    hosts: AllowedHosts
    limit: int

    def plan(self, document: Mapping[str, Any]) -> PushImage | SkippedFile:
        """Plan one document.

        The original file (`download_url`) is used, never the contrast-stretched rendering (`jpeg_url`). Documents are
        skipped for `no_picture` (omero_id -1, no address), `no_biological_sample_id` (an id is never invented),
        `parameter_unknown` (legacy sets reuse the numbers), `address_invalid` and `host_not_allowed`.
        """
        text = {name: _text(value) for name, value in document.items()}
        address, observation = text.get("download_url", ""), text.get("observation_id", "?")
        path = text.get("download_file_path", "") or address.partition("?")[0]
        located = self._located(address)
        uri = located if isinstance(located, WebUri) else None
        source = Download(uri, PurePosixPath(path).name or observation, self.client, self.limit)
        if not address or text.get("omero_id") in _NO_PICTURE:
            message = f"observation {observation} has no image (omero_id -1, or no address)"
            return SkippedFile(source, "no_picture", message, failed=False)
        sample = specimen_id(text.get("biological_sample_id"), None, None, None)
        if sample is None:
            message = f"observation {observation} has no biological_sample_id"
            return SkippedFile(source, "no_biological_sample_id", message, failed=False)
        parameter = text.get("parameter_stable_id", "")
        try:
            image_kind(parameter)
        except Rejected as rejected:
            return SkippedFile(source, rejected.reason, rejected.message, failed=False)
        if uri is None:
            return SkippedFile(source, "address_invalid", f"observation {observation}: download_url {located}")
        if uri.origin not in self.hosts.origins:
            return SkippedFile(source, "host_not_allowed", "the image is on another host; allow it with --image-host")
        return PushImage(
            source,
            sample,
            text.get("phenotyping_center", ""),
            parameter,
            increment=text.get("increment_value") or None,
            acquired_at=_moment(text.get("date_of_experiment", "")),
            metadata=_metadata(text, uri, document.get("parameter_association_stable_id")),
            animal=_animal(text),
        )

    def _located(self, address: str) -> WebUri | str:
        """Parse an address, or return what is wrong with it; one without scheme or host has Solr's."""
        if address.startswith("//"):
            address = f"{self.solr.scheme}:{address}"
        elif address.startswith("/"):
            address = f"{self.solr.origin}{address}"
        try:
            return parse_web_uri(address)
        except ValueError as error:
            return str(error)


def _metadata(text: Mapping[str, str], uri: WebUri, associations: object) -> dict[str, str]:
    metadata = {name: text[name] for name in _METADATA if text.get(name)} | {"uri": str(uri)}
    names = [_text(one) for one in associations] if isinstance(associations, list) else []
    return metadata | ({"parameter_associations": ",".join(dict.fromkeys(filter(None, names)))[:1000]} if names else {})


def _animal(text: Mapping[str, str]) -> Animal | None:
    """Return what a document states about the animal; a value that is no such fact, such as `no data`, is left out."""
    stated: dict[str, JsonValue] = {}
    for name, field in _ANIMAL.items():
        try:
            stated |= Animal.model_validate({name: text.get(field)}).facts()
        except ValidationError:
            continue
    return Animal.model_validate(stated) if stated else None


def _text(value: object) -> str:
    """Return a field as text without control characters, which no event may carry; "" for null and lists."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    return "".join(one if one.isprintable() else " " for one in str(value)).strip()


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
