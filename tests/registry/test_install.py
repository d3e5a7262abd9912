"""A repository is filled with models once and completely; later additions stay."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.stack import Stack
from services.cli.main import app
from services.common.errors import Fatal, Rejected
from services.common.settings import Settings, settings_of
from services.common.store import ObjectStore
from services.registry.admit import add_version
from services.registry.inspect import inspect
from services.registry.install import create_repository, install_models
from services.registry.repository import ModelRepository
from tests.registry.variants import MODEL, shifted, write_variant
from training.export.targets import REPOSITORY


@pytest.fixture
def place(tmp_path: Path) -> ModelRepository:
    folder = tmp_path / "serves"
    folder.mkdir()
    return ModelRepository(folder)


def test_an_empty_place_gets_every_model_whole(place: ModelRepository) -> None:
    assert install_models(ModelRepository(REPOSITORY), place) == ["cae", "convnext"]
    assert place.models() == ["cae", "convnext"]
    for model in place.models():
        assert inspect(place, model, 1).card.version == 1
        assert not any(file.is_symlink() for file in place.folder(model, 1).iterdir())
    assert {path.name for path in place.root.iterdir()} == {".lock", "cae", "convnext"}


def test_later_additions_stay(place: ModelRepository, tmp_path: Path) -> None:
    install_models(ModelRepository(REPOSITORY), place)
    write_variant(tmp_path / "newer", 2, shifted(0.1))
    add_version(ModelRepository(tmp_path / "newer"), place, MODEL, 2)
    assert install_models(ModelRepository(REPOSITORY), place) == []
    assert place.versions(MODEL) == [1, 2]
    assert place.card_text(MODEL, 2) is not None


def test_what_a_kill_left_unfinished_is_done_again(place: ModelRepository) -> None:
    (place.root / ".incoming-cae" / "1").mkdir(parents=True)
    assert install_models(ModelRepository(REPOSITORY), place) == ["cae", "convnext"]


def test_a_model_whose_files_do_not_match_its_card_is_not_installed(place: ModelRepository, tmp_path: Path) -> None:
    write_variant(tmp_path / "bad", 1, shifted(0.1))
    (tmp_path / "bad" / MODEL / "1" / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(Rejected) as caught:
        install_models(ModelRepository(tmp_path / "bad"), place)
    assert (caught.value.reason, place.models()) == ("graph_digest_wrong", [])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Object storage without any bucket, and the ledger's database, whose lock `install` takes."""
    stack = Stack(tmp_path_factory.mktemp("install"), tied=True)
    try:
        stack.up(["seaweedfs", "postgres"])
        yield settings_of(stack.environment())
    finally:
        stack.down()


@pytest.mark.integration
def test_a_repository_in_object_storage_gets_its_bucket(
    servers: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    settings = servers.model_copy(update={"model_repository": "s3://models/model_repository"})
    assert install_models(ModelRepository(REPOSITORY), create_repository(settings)) == ["cae", "convnext"]
    assert install_models(ModelRepository(REPOSITORY), create_repository(settings)) == []
    keys = ObjectStore(settings.model_copy(update={"s3_bucket": "models"})).keys("model_repository/")
    assert {key for key in keys if key.endswith("config.pbtxt")} == {
        f"model_repository/{model}/config.pbtxt" for model in ("cae", "convnext")
    }


@pytest.mark.integration
def test_the_command_creates_the_bucket(servers: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XRAY_MODEL_REPOSITORY", "s3://commanded/model_repository")
    monkeypatch.setenv("XRAY_S3_ENDPOINT", servers.s3_endpoint)
    monkeypatch.setenv("XRAY_S3_ACCESS_KEY", servers.s3_access_key)
    monkeypatch.setenv("XRAY_S3_SECRET_KEY", servers.s3_secret_key.get_secret_value())
    monkeypatch.setenv("XRAY_POSTGRES_DSN", servers.postgres_dsn.get_secret_value())
    answer = CliRunner().invoke(app, ["models", "install", str(REPOSITORY)], catch_exceptions=False)
    assert answer.stdout == "installed: cae, convnext\n"


@pytest.mark.integration
def test_an_invalid_location_creates_no_bucket(servers: Settings) -> None:
    with pytest.raises(Fatal, match="s3://bucket/prefix"):
        create_repository(servers.model_copy(update={"model_repository": "s3://lonely/"}))
    with pytest.raises(Fatal, match="does not exist"):
        ObjectStore(servers.model_copy(update={"s3_bucket": "lonely"})).check_bucket()


def test_a_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="no model repository"):
        create_repository(Settings(model_repository=str(tmp_path / "none")))
