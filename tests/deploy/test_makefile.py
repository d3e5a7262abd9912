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
