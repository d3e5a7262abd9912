"""What the targets of the Makefile install."""

import re

from tests.deploy.compose_file import CLONE

MAKEFILE = (CLONE / "Makefile").read_text()


def test_the_docs_are_built_without_torch() -> None:
    assert re.search(r"^docs: \.venv/\.docs ", MAKEFILE, re.MULTILINE)
    assert re.search(r"^\.venv/\.docs: requirements/docs\.txt ", MAKEFILE, re.MULTILINE)
    packages = (CLONE / "requirements" / "docs.txt").read_text()
    assert "mkdocs-material==" in packages
    assert not re.search(r"^(torch|numpy|onnxruntime)", packages, re.MULTILINE)


def test_bills_of_materials_and_audits_cover_the_wheel_and_every_image() -> None:
    (listing,) = re.findall(r"^PINNED := (.*)$", MAKEFILE, re.MULTILINE)
    dockerfile = (CLONE / "deploy" / "containers" / "Dockerfile").read_text()
    installed = set(re.findall(r"^COPY (?:requirements|deploy/containers)/([\w.-]+\.txt) ", dockerfile, re.MULTILINE))
    assert installed - {"uv.txt"} <= set(re.findall(r"[\w.-]+\.txt", listing))
    assert "subscriber.txt" in listing
