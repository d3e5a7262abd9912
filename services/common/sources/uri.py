"""The only parser of image URIs, and the only function that shows one.

A URI is parsed once, where it enters the system; everything that fetches uses the parsed form, so that no two parsers
can disagree about the host.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal, cast
from urllib.parse import quote

_WebScheme = Literal["https", "http"]
_Scheme = Literal["s3"] | _WebScheme
MOST_CHARACTERS: Final = 2048
_MOST_KEY_BYTES: Final = 1024
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_FORM: Final = re.compile(r"(s3|https|http)://([^/]*)/(.+)", re.DOTALL)
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_AND_PORT: Final = re.compile(rf"({_LABEL}(?:\.{_LABEL})*)(?::([0-9]{{1,5}}))?")
_BUCKET: Final = re.compile(r"(?!.*\.\.)(?![0-9.]*\Z)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_UNENCODED_IN_TARGET: Final = "/?%:@!$&'()*+,;=~"
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER: Final = re.compile(r"(?<=://)[^/?]*@")
_DIGEST: Final = re.compile(r"sha256=[0-9a-f]{16}")


@dataclass(frozen=True)
class S3Uri:
    """An object: a bucket whose name S3 allows, and its key, literally (a `%`, `+`, `?` or space is part of it)."""

    bucket: str
    key: str

    @property
    def origin(self) -> str:
        """The bucket, `s3://bucket`."""
        return f"s3://{self.bucket}"

    def __str__(self) -> str:
        return shown(f"{self.origin}/{self.key}")


@dataclass(frozen=True)
class WebUri:
    """A file on a web server: `host` in lower-case ASCII, `target` as the request line has it (path and query)."""

    scheme: _WebScheme
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """`host`, or `host:port` if the port is not the scheme's usual one."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """`scheme://host` or `scheme://host:port`."""
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return shown(f"{self.origin}{self.target}")


ImageUri = S3Uri | WebUri


def parse_image_uri(text: str) -> ImageUri:
    """Parse the URI of an announced image, `s3://bucket/key` or `https://host/path`.

    Raises ValueError, whose message shows no part of the text.
    """
    scheme, authority, rest = _parts(text)
    if scheme == "s3":
        return _s3(authority, rest)
    if scheme == "http":
        msg = "must be s3://bucket/key or https://host/path"
        raise ValueError(msg)
    return _web(scheme, authority, rest)


def parse_web_uri(text: str) -> WebUri:
    """Parse `https://host/path` or `http://host/path`; raises ValueError, whose message shows no part of the text."""
    scheme, authority, rest = _parts(text)
    if scheme == "s3":
        msg = "must be https://host/path or http://host/path"
        raise ValueError(msg)
    return _web(scheme, authority, rest)


def shown(uri: str) -> str:
    """Return a URI as people, the ledger and topics may see it: its query and user may be credentials.

    A user is left out, and what follows the first `?` is replaced by `sha256=` and 16 hexadecimal digits of its
    SHA-256, so that different URIs stay different. Applying this twice changes nothing.
    """
    location, mark, query = uri.partition("?")
    if mark and not _DIGEST.fullmatch(query):
        query = f"sha256={hashlib.sha256(query.encode(errors='replace')).hexdigest()[:16]}"
    return _USER.sub("", location) + mark + query


def _parts(text: str) -> tuple[_Scheme, str, str]:
    if max(len(text), len(shown(text))) > MOST_CHARACTERS:
        msg = f"must not be longer than {MOST_CHARACTERS} characters, a short query counting as 23"
        raise ValueError(msg)
    if any(unicodedata.category(character) in {"Cc", "Cs"} or character == "\\" for character in text):
        msg = "control characters, lone surrogates and backslashes are not allowed"
        raise ValueError(msg)
    match = _FORM.fullmatch(text)
    if match is None:
        msg = "must be a scheme (s3, https), ://, a bucket or host, / and a key or path"
        raise ValueError(msg)
    path = match[3] if match[1] == "s3" else match[3].partition("?")[0]
    if {".", ".."} & set(path.split("/")):
        msg = "the segments . and .. are not allowed"
        raise ValueError(msg)
    return cast(_Scheme, match[1]), match[2], match[3]


def _s3(bucket: str, key: str) -> S3Uri:
    if not _BUCKET.fullmatch(bucket):
        msg = "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens, and is not an IP address"
        raise ValueError(msg)
    if len(key.encode()) > _MOST_KEY_BYTES:
        msg = f"a key has at most {_MOST_KEY_BYTES} bytes"
        raise ValueError(msg)
    return S3Uri(bucket, key)


def _web(scheme: _WebScheme, authority: str, rest: str) -> WebUri:
    host, port = _host_and_port(authority)
    if "#" in rest:
        msg = "a fragment (#) is not allowed; write %23 if it is part of the path"
        raise ValueError(msg)
    target = quote(_STRAY_PERCENT.sub("%25", f"/{rest}"), safe=_UNENCODED_IN_TARGET)
    return WebUri(scheme, host, port or _DEFAULT_PORTS[scheme], target)


def _host_and_port(text: str) -> tuple[str, int | None]:
    match = _HOST_AND_PORT.fullmatch(text)
    port = int(match[2]) if match and match[2] else None
    if match is None or len(match[1]) > 253 or port == 0 or (port or 0) > 65535:
        msg = "the host must be a name in ASCII or an IPv4 address, with a port of 1 to 65535 if any, and no user"
        raise ValueError(msg)
    return match[1].lower(), port
