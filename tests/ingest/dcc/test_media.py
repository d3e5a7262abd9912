"""Which paths are searched for images, and which never are."""

from pathlib import Path

import pytest

from services.common.errors import Rejected
from services.common.sources.uri import ImageUri
from services.ingest.dcc.plan import RemoteMedia, locate
from services.ingest.push.image import LocalFile


def never(uri: ImageUri) -> bytes:
    raise AssertionError(uri)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "media" / "sub").mkdir(parents=True)
    for name in ("1.dcm", "a b.dcm", "50%.dcm", "sub/2.dcm"):
        (tmp_path / "media" / name).write_bytes(b"x")
    (tmp_path / "secret.dcm").write_bytes(b"x")
    return tmp_path / "media"


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("1.dcm", "1.dcm"),
        ("./sub/../1.dcm", "1.dcm"),
        ("sub\\2.dcm", "sub/2.dcm"),
        ("a%20b.dcm", "a b.dcm"),
        ("50%.dcm", "50%.dcm"),
        ("ftp://centre.org/sub/2.dcm", "sub/2.dcm"),
        ("https://centre.org/1.dcm", "1.dcm"),
        ("file:///1.dcm", "1.dcm"),
    ],
)
def test_a_file_below_the_folder_is_found(folder: Path, uri: str, name: str) -> None:
    assert locate(uri, folder, never) == LocalFile(folder / name)


def test_an_absolute_path_below_the_folder_and_the_folder_s_own_links_are_accepted(folder: Path) -> None:
    assert locate(str(folder / "1.dcm"), folder, never) == LocalFile(folder / "1.dcm")
    assert locate(f"file://{folder}/1.dcm", folder, never) == LocalFile(folder / "1.dcm")
    (folder / "link.dcm").symlink_to(folder.parent / "secret.dcm")
    assert locate("link.dcm", folder, never) == LocalFile(folder / "link.dcm")


@pytest.mark.parametrize("uri", ["../secret.dcm", "sub/../../secret.dcm", "%2e%2e/secret.dcm", "ftp://h/../secret.dcm"])
def test_a_path_that_leads_out_of_the_folder_is_refused(folder: Path, uri: str) -> None:
    with pytest.raises(Rejected) as refusal:
        locate(uri, folder, never)
    assert refusal.value.reason == "media_outside"


def test_an_absolute_path_elsewhere_is_refused(folder: Path) -> None:
    for uri in (str(folder.parent / "secret.dcm"), f"file://{folder.parent}/secret.dcm"):
        with pytest.raises(Rejected) as refusal:
            locate(uri, folder, never)
        assert refusal.value.reason == "media_outside"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("none.dcm", "media_missing"),
        ("sub", "media_missing"),
        ("ftp://images/image.jpg", "media_missing"),
        ("http://centre.org/none.dcm", "media_missing"),
        ("https://[centre/none.dcm", "media_uri"),
        ("https://127.0.0.1:80\\@centre/none.dcm", "media_uri"),
        ("s3://scans/./none.dcm", "media_uri"),
        ("a\0b", "media_missing"),
        ("a" * 5000, "media_missing"),
    ],
)
def test_missing_media_and_invalid_uris_are_refused(folder: Path, uri: str, reason: str) -> None:
    with pytest.raises(Rejected) as refusal:
        locate(uri, folder, never)
    assert refusal.value.reason == reason


def test_other_buckets_and_https_are_fetched(folder: Path) -> None:
    for uri in ("s3://scans/7/dv.dcm", "https://centre.org/7/dv.dcm"):
        source = locate(uri, folder, lambda parsed: str(parsed).encode())
        assert isinstance(source, RemoteMedia)
        assert (source.file_name, source.read(), source.fingerprint()) == ("dv.dcm", uri.encode(), (uri,))
