"""The table of third-party images: the same tags and digests everywhere, filled by one command."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from deploy.containers.images import PINNED, TABLE, DigestError, PulledImage, fetch_digest, pin, read_table
from tests.deploy.compose_file import CLONE, services, used_variables
from tests.deploy.dockerfile import DOCKERFILE

OURS = "mouse-xray-phenotyping"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_every_image_of_others_is_in_the_table_and_named_as_there() -> None:
    used = {name: default for name, (default,) in used_variables().items() if name.endswith("_IMAGE")}
    third_party = {name: default for name, default in used.items() if not (default or "").startswith(OURS)}
    assert third_party == {name: image.reference for name, image in read_table().items()}
    named = {service["image"] for service in services().values()}
    assert all(image.startswith(OURS) or image in third_party.values() for image in named)


def test_the_dockerfile_has_the_same_defaults() -> None:
    arguments = dict(re.findall(r"^ARG (\w+_IMAGE)=(.+)$", DOCKERFILE.read_text(), re.MULTILINE))
    assert arguments == {name: read_table()[name].reference for name in arguments}
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.MULTILINE)
    stages = re.findall(r" AS (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert {base for base in bases if base not in stages} == {f"${{{name}}}" for name in arguments}


def test_kubernetes_uses_only_images_that_are_built_here() -> None:
    images = re.findall(
        r"^\s+image: (\S+)$",
        "\n".join(path.read_text() for path in (CLONE / "deploy" / "kubernetes").rglob("*.yaml")),
        re.MULTILINE,
    )
    kustomized = yaml.safe_load((CLONE / "deploy" / "kubernetes" / "kustomization.yaml").read_text())["images"]
    assert images
    assert set(images) <= {image["name"] for image in kustomized}
    assert all(image["name"].startswith(OURS) for image in kustomized)


def test_the_docs_name_the_release_of_triton_of_the_table() -> None:
    release = read_table()["TRITON_BASE_IMAGE"].tag.rpartition(":")[2]
    text = (CLONE / "docs" / "export.md").read_text() + (CLONE / "docs" / "containers.md").read_text()
    assert set(re.findall(r"nvcr\.io/nvidia/\w+:([\w.-]+?)(?=[`\s])", text)) == {release}
    year, month = release.removesuffix("-py3").split(".")
    assert (int(year), int(month)) >= (25, 7), "CVE-2025-23310, 23311, 23319, 23320, 23334"


def test_a_digest_is_empty_or_whole() -> None:
    assert all(re.fullmatch(r"|sha256:[0-9a-f]{64}", image.digest) for image in read_table().values())


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for file in (*PINNED, TABLE):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CLONE / file, tmp_path / file)
    return tmp_path


def test_the_command_pins_every_place(clone: Path) -> None:
    before = {file: (clone / file).read_text() for file in PINNED}
    pinned = pin(clone, lambda _tag: DIGEST)
    assert read_table(clone) == pinned
    assert all(image.digest == DIGEST for image in pinned.values())
    for file in PINNED:
        text = (clone / file).read_text()
        assert text.count(f"@{DIGEST}") >= 8 or file.name == "Dockerfile"
        assert re.sub(r"@sha256:[0-9a-f]{64}", "", text) == re.sub(r"@sha256:[0-9a-f]{64}", "", before[file])


def test_a_later_run_replaces_the_digests(clone: Path) -> None:
    pin(clone, lambda _tag: DIGEST)
    later = DIGEST.replace("0", "9")
    pin(clone, lambda _tag: later)
    assert all(DIGEST not in (clone / file).read_text() for file in (*PINNED, TABLE))
    assert read_table(clone)["POSTGRES_IMAGE"] == PulledImage(read_table()["POSTGRES_IMAGE"].tag, later)


def test_nothing_is_written_if_one_digest_cannot_be_fetched(clone: Path) -> None:
    def fetch(tag: str) -> str:
        if tag.startswith("grafana"):
            raise DigestError("away")
        return DIGEST

    before = {file: (clone / file).read_text() for file in (*PINNED, TABLE)}
    with pytest.raises(DigestError, match="away"):
        pin(clone, fetch)
    assert {file: (clone / file).read_text() for file in before} == before


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(f'{{"digest": "{DIGEST}"}}', DIGEST), ('{"digest": "sha256:1"}', "is not a digest"), ("gone", "JSONDecodeError")],
)
def test_a_registry_is_asked_with_docker(
    answer: str, outcome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\ntest \"$1 $2 $3 $4\" = 'buildx imagetools inspect a:1' || exit 9\necho '{answer}'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if outcome == DIGEST:
        assert fetch_digest("a:1") == DIGEST
        with pytest.raises(DigestError):
            fetch_digest("b:1")
    else:
        with pytest.raises(DigestError, match=outcome):
            fetch_digest("a:1")
