"""`python -m deploy.containers.images`: pin every third-party image to the digest that its tag has now.

Needs Docker with Buildx and access to the registries. A digest is that of the index of all platforms, so it holds on
amd64 and on arm64. Everything is fetched before anything is written.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).resolve().parents[2]
TABLE: Final = Path("deploy/containers/images.toml")
PINNED: Final = (Path("docker-compose.yml"), Path(".env.example"), Path("deploy/containers/Dockerfile"))
"""The files that name the images of the table, with their digests."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_FETCH_SECONDS: Final = 120.0


@dataclass(frozen=True)
class PulledImage:
    """A third-party image: `name:tag`, and `sha256:…` or an empty string if the digest is not known."""

    tag: str
    digest: str

    @property
    def reference(self) -> str:
        """The image as Docker pulls it."""
        return f"{self.tag}@{self.digest}" if self.digest else self.tag


class DigestError(Exception):
    """A digest cannot be fetched; the message gives the reason."""


def read_table(clone: Path = CLONE) -> dict[str, PulledImage]:
    """Return the images of the table by variable."""
    table = tomllib.loads((clone / TABLE).read_text(encoding="utf-8"))
    return {variable: PulledImage(**entry) for variable, entry in table.items()}


def pin(clone: Path, fetch: Callable[[str], str]) -> dict[str, PulledImage]:
    """Write the digest that `fetch` returns for each tag into the table and the files. Raises DigestError."""
    pinned = {name: replace(image, digest=fetch(image.tag)) for name, image in read_table(clone).items()}
    for file in PINNED:
        text = (clone / file).read_text(encoding="utf-8")
        for image in pinned.values():
            text = re.sub(rf"{re.escape(image.tag)}(@{_DIGEST.pattern})?(?![\w.@-])", image.reference, text)
        (clone / file).write_text(text, encoding="utf-8")
    (clone / TABLE).write_text(_with_digests((clone / TABLE).read_text(encoding="utf-8"), pinned), encoding="utf-8")
    return pinned


def _with_digests(table: str, pinned: Mapping[str, PulledImage]) -> str:
    for image in pinned.values():
        line = f'tag = "{image.tag}"\n'
        table = re.sub(rf'{re.escape(line)}digest = "[^"]*"', f'{line}digest = "{image.digest}"', table)
    return table


def fetch_digest(tag: str) -> str:
    """Ask the registry for the digest of a tag. Raises DigestError."""
    command = ("docker", "buildx", "imagetools", "inspect", tag, "--format", "{{json .Manifest}}")
    try:
        ended = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command, capture_output=True, text=True, check=True, timeout=_FETCH_SECONDS
        )
        digest = str(json.loads(ended.stdout)["digest"])
    except subprocess.CalledProcessError as error:
        raise DigestError(f"{tag}: {error.stderr.strip()[-500:]}") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise DigestError(f"{tag}: {error!r}") from error
    if not _DIGEST.fullmatch(digest):
        raise DigestError(f"{tag}: {digest!r} is not a digest")
    return digest


if __name__ == "__main__":
    try:
        for found in pin(CLONE, fetch_digest).values():
            sys.stdout.write(f"{found.reference}\n")
    except DigestError as error:
        sys.exit(f"nothing was changed: {error}")
