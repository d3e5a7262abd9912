"""The layers of the code: imports go only downwards, and the folders of tests/ mirror those of the code.

docs/architecture.md explains the layers. Its table is compared with the one in this file.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).resolve().parents[1]
PACKAGES: Final = ("services", "training", "deploy")
LAYERS: Final = (
    ("services/common",),
    ("services/ledger",),
    ("services/registry",),
    (
        "services/admission",
        "services/intake",
        "services/assembler",
        "services/fuser",
        "services/classifier",
        "services/sink",
        "services/monitor",
    ),
    ("services/ingest",),
    ("services/operations",),
    ("deploy/local",),
    ("services/demo",),
    ("services/bench",),
    ("services/chaos",),
    ("training",),
    ("deploy",),
    ("services/cli",),
)
"""Lowest first. A folder imports folders of lower layers only, so folders of one layer do not import each other."""
NARROWER: Final = {"deploy/local": {"services/common"}}
"""Folders that may import less than their layer allows."""
TERMINAL: Final = {"typer", "rich", "click"}
WITHOUT_SOURCE: Final = {"integration", "crash", "docs", "examples", "fuzz", "pipeline"}
"""Folders of tests/ that test several folders of the code together, or files outside the code."""
RANK: Final = {folder: rank for rank, layer in enumerate(LAYERS) for folder in layer}


def folder_of(module: str) -> str | None:
    """Folder of the table that contains a module; None for the bare packages and for other libraries."""
    parts = module.split(".")
    return next((folder for folder in ("/".join(parts[:2]), parts[0]) if folder in RANK), None)


@cache
def imports() -> list[tuple[str, str]]:
    """Each pair of module and imported module (or name in a module), both dotted."""
    return [
        (".".join(path.relative_to(CLONE).with_suffix("").parts), name)
        for package in PACKAGES
        for path in sorted((CLONE / package).glob("**/*.py"))
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
    ]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{one.name}" for one in node.names)


def allowed(importer: str, target: str) -> bool:
    if importer == target:
        return True
    return RANK[target] < RANK[importer] and target in NARROWER.get(importer, {target})


def check(problems: list[str]) -> None:
    assert not problems, "\n".join(["", *problems])


def test_every_module_belongs_to_a_layer() -> None:
    check(sorted({module for module, _ in imports() if folder_of(module) is None and "." in module}))


def test_imports_go_downwards() -> None:
    folders = [(module, name, folder_of(module), folder_of(name)) for module, name in imports()]
    check(
        [
            f"{module} imports {name}"
            for module, name, importer, target in folders
            if importer and target and not allowed(importer, target)
        ]
    )


def test_only_the_command_line_imports_typer_or_rich() -> None:
    check(
        [
            f"{module} imports {name}"
            for module, name in imports()
            if name.split(".")[0] in TERMINAL and folder_of(module) != "services/cli"
        ]
    )


def test_the_folders_of_training_form_no_cycle() -> None:
    graph: dict[str, set[str]] = {}
    for module, name in imports():
        importer, target = module.split("."), name.split(".")
        if importer[0] == target[0] == "training" and importer[1] != target[1]:
            graph.setdefault(importer[1], set()).add(target[1])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from error


def test_tests_mirror_the_code() -> None:
    missing = []
    for folder in sorted({path.parent for path in (CLONE / "tests").glob("*/**/*.py")}):
        path = folder.relative_to(CLONE / "tests")
        if path.parts[0] not in WITHOUT_SOURCE and not any((CLONE / top / path).is_dir() for top in ("", "services")):
            missing.append(f"tests/{path} has no source folder")
    check(missing)


def test_the_page_shows_these_layers() -> None:
    page = (CLONE / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d+ \| (.+?) \|", page, re.MULTILINE)
    assert tuple(tuple(re.findall(r"`([\w/]+)`", row)) for row in rows) == LAYERS
