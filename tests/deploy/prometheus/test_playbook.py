"""The playbook: a section for every alert, and only commands that exist, also in containers."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException
from typer.main import get_command

from services.cli.main import app
from tests.deploy.compose_file import CLONE, services
from tests.deploy.prometheus.alerts import alerts

PLAYBOOK = (CLONE / "docs" / "playbook.md").read_text()
STANDS_FOR = {
    text: container
    for container, text in re.findall(
        r"`docker compose run --rm --no-deps (\w+)`\s(?:stands\s)?for\s`(xray[ \w]*)`", PLAYBOOK.partition("\n## ")[0]
    )
}
"""The container that runs the commands with each of these prefixes."""
BLOCKS = re.findall(r"```bash\n(.*?)```", PLAYBOOK, re.DOTALL)
QUOTED = {text for text in re.findall(r"`([^`\n]+)`", PLAYBOOK) if text.startswith(("xray ", "docker "))}
INLINE = QUOTED - set(STANDS_FOR)
COMMANDS = sorted({*"".join(BLOCKS).splitlines(), *INLINE})
COMPOSE_COMMANDS = {"ps", "logs", "up", "restart", "stop", "run"}
PROGRAM = ["python", "-m", "services.cli.main"]
"""The entry point of our images."""
OPTIONS_WITH_VALUE = {"--user", "--volume"}


def sections() -> dict[str, str]:
    """Text of each section by its heading."""
    parts = re.split(r"^## (.+)$", PLAYBOOK, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
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
def test_misspelt_commands_do_not_parse(line: str) -> None:
    with pytest.raises(TyperException):
        parsed(line)


@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith("xray ")])
def test_other_commands_use_compose_and_name_its_containers(line: str) -> None:
    arguments = shlex.split(line)
    assert arguments[:2] == ["docker", "compose"]
    assert arguments[2] in COMPOSE_COMMANDS
    if arguments[2] == "run":
        arguments, _, _ = split_docker_run(arguments)
    names = [word for word in arguments[3:] if not word.startswith("-") and not word.isdigit()]
    assert {name.partition("=")[0] for name in names} <= set(services())


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("docker compose run ")])
def test_commands_in_containers_parse_and_write_only_into_mounted_folders(line: str) -> None:
    arguments, folders, command = split_docker_run(shlex.split(line))
    if command:
        entry = services()[arguments[-1]].get("entrypoint", PROGRAM)
        context = parsed(shlex.join(["xray", *entry[len(PROGRAM) :], *command]))
        assert all(any(path.is_relative_to(folder) for folder in folders) for path in paths(context))


def test_the_containers_that_run_xray_have_everything_that_it_needs() -> None:
    for text, name in STANDS_FOR.items():
        assert services()[name].get("entrypoint", PROGRAM) == [*PROGRAM, *text.split()[1:]]
    servers = {"XRAY_KAFKA_BOOTSTRAP", "XRAY_S3_ENDPOINT", "XRAY_POSTGRES_DSN", "XRAY_TRITON_GRPC"}
    assert servers <= set(services()[STANDS_FOR["xray"]]["environment"])
    models = services()[STANDS_FOR["xray models"]]
    repository = models["environment"]["XRAY_MODEL_REPOSITORY"]
    assert f"models:{repository}" in models["volumes"], "it must be there, and not read-only"
    assert f"models:{repository}:ro" in services()["triton"]["volumes"]


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("xray ")])
def test_no_step_needs_a_file_that_a_container_cannot_see(line: str) -> None:
    assert all(services()[name]["read_only"] for name in STANDS_FOR.values())
    assert not paths(parsed(line))


def split_docker_run(arguments: list[str]) -> tuple[list[str], list[Path], list[str]]:
    """`docker compose run` up to the container, its mounted folders, and the command in it."""
    folders, rest = [], arguments[3:]
    while rest[0].startswith("-"):
        option = rest.pop(0)
        value = rest.pop(0) if option in OPTIONS_WITH_VALUE else ""
        if option == "--volume":
            folders.append(Path(value.split(":")[1]))
    return [*arguments[:3], rest[0]], folders, rest[1:]


def paths(context: typer.Context) -> list[Path]:
    """The files that a command reads or writes according to its arguments."""
    return [value for value in context.params.values() if isinstance(value, Path)]


def parsed(line: str) -> typer.Context:
    """Let Click parse a command with its options, without running it; return the arguments of the innermost command."""
    command: Any = get_command(app)
    arguments = shlex.split(line)
    context: typer.Context = command.make_context(arguments[0], arguments[1:])
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context
