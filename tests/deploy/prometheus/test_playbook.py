"""The playbook: a section for every alert, and only commands that exist."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from typer.exceptions import TyperException
from typer.main import get_command

from services.cli.main import app
from tests.deploy.compose_file import CLONE, services
from tests.deploy.prometheus.alerts import alerts

PLAYBOOK = (CLONE / "docs" / "playbook.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", PLAYBOOK, re.DOTALL)
INLINE = [words for words in re.findall(r"`([^`\n]+)`", PLAYBOOK) if words.startswith(("xray ", "docker "))]
COMMANDS = sorted({*"".join(BLOCKS).splitlines(), *INLINE})
COMPOSE_COMMANDS = {"ps", "logs", "up", "restart", "stop", "run"}


def sections() -> dict[str, str]:
    """Text of each section by its heading."""
    parts = re.split(r"^## (.+)$", PLAYBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert set(sections()) == set(alerts())


@pytest.mark.parametrize("name", alerts())
def test_every_section_has_steps(name: str) -> None:
    assert "```bash\n" in sections()[name]


def test_links_lead_to_files_and_sections() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", PLAYBOOK):
        file, _, section = target.partition("#")
        assert not file or (CLONE / "docs" / file).is_file(), target
        assert not section or section in {name.lower() for name in sections()}, target


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("xray ")])
def test_xray_commands_parse(line: str) -> None:
    parsed(line)


@pytest.mark.parametrize("line", ["xray statu", "xray calls --color JAX", "xray rejections list --since yesterday"])
def test_misspelt_commands_do_not(line: str) -> None:
    with pytest.raises(TyperException):
        parsed(line)


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith("xray ")])
def test_other_commands_are_of_compose_and_name_its_containers(line: str) -> None:
    words = shlex.split(line)
    assert words[:2] == ["docker", "compose"]
    assert words[2] in COMPOSE_COMMANDS
    names = [word for word in words[3:] if not word.startswith("-") and not word.isdigit()]
    containers = {name.partition("=")[0] for name in names} - {"status"}
    assert containers <= set(services())


def parsed(line: str) -> None:
    """Let Click read a command, options and all, without running it."""
    command: Any = get_command(app)
    words = shlex.split(line)
    context = command.make_context(words[0], words[1:])
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
