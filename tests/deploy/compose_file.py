"""docker-compose.yml and .env.example as the tests read them, with anchors merged and variables replaced."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

CLONE: Final = Path(__file__).parents[2]
COMPOSE: Final = CLONE / "docker-compose.yml"
EXAMPLE: Final = CLONE / ".env.example"
SERVERS: Final = ("kafka", "seaweedfs", "triton", "postgres")
_VARIABLE: Final = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?(?P<message>[^}]+))?\}")
_ASSIGNMENT: Final = re.compile(r"^(?P<name>\w+)=(?P<value>.*)$")


@cache
def compose() -> dict[str, Any]:
    """The file as Compose sees it when no variable is set."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    filled: dict[str, Any] = _filled(document, {})
    return filled


def compose_with(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file as Compose sees it with these variables set."""
    filled: dict[str, Any] = _filled(yaml.safe_load(COMPOSE.read_text()), variables)
    return filled


def services() -> dict[str, dict[str, Any]]:
    """Every container by name."""
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def builders(image: str) -> list[str]:
    """The services that build an image."""
    return [name for name, service in services().items() if service["image"] == image and "build" in service]


def target_of(name: str) -> str:
    """The stage of the Dockerfile from which the image of a container is built."""
    (builder,) = builders(services()[name]["image"])
    target: str = services()[builder]["build"]["target"]
    return target


def used_variables() -> dict[str, set[str | None]]:
    """The defaults that the file gives to each variable that it uses; None for a use without a default."""
    text = "\n".join(line for line in COMPOSE.read_text().splitlines() if not line.lstrip().startswith("#"))
    used: dict[str, set[str | None]] = {}
    for match in _VARIABLE.finditer(text):
        used.setdefault(match["name"], set()).add(match["default"])
    assert text.count("$") == len(_VARIABLE.findall(text)), "a variable is written in a form that this test cannot read"
    return used


def explained_variables() -> dict[str, tuple[str, str]]:
    """Value and comment of each variable in .env.example; consecutive variables share the comment above them."""
    explained: dict[str, tuple[str, str]] = {}
    comment: list[str] = []
    commented = False
    for line in EXAMPLE.read_text().splitlines():
        if assignment := _ASSIGNMENT.match(line):
            explained[assignment["name"]] = (assignment["value"], " ".join(comment))
            commented = True
        else:
            if commented or not line:
                comment, commented = [], False
            if line.startswith("# ") and not line.startswith("# ---"):
                comment.append(line.removeprefix("# "))
    return explained


def _filled(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _filled(value, variables) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, variables) for value in node]
    if isinstance(node, str):
        return _VARIABLE.sub(lambda use: variables.get(use["name"]) or use["default"] or "", node)
    return node
