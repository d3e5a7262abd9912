"""Profile refresh: a job next to the services that writes to the volume that Triton reads."""

from typer.main import get_command

from services.cli.train.refresh import app
from tests.deploy.compose_file import services
from tests.deploy.dockerfile import DOCKERFILE


def test_it_starts_only_with_its_profile() -> None:
    assert services()["refresh"]["profiles"] == ["refresh"]
    assert services()["refresh"]["image"] == services()["plan-requests"]["image"]


def test_it_installs_versions_in_the_volume_that_triton_reads() -> None:
    place = services()["refresh"]["environment"]["XRAY_MODEL_REPOSITORY"]
    assert f"models:{place}" in services()["refresh"]["volumes"]
    assert f"models:{place}:ro" in services()["triton"]["volumes"]


def test_the_runs_of_the_container_are_in_a_volume() -> None:
    command = services()["refresh"]["command"]
    folder = command[command.index("--folder") + 1]
    assert f"runs:{folder}" in services()["refresh"]["volumes"]
    assert f"install -d -o 10001 -g 10001 {folder}" in DOCKERFILE.read_text()


def test_its_options_exist() -> None:
    options = {option for parameter in get_command(app).params for option in parameter.opts}
    assert {word for word in services()["refresh"]["command"] if word.startswith("--")} <= options
