"""A model repository in object storage: on a real SeaweedFS and PostgreSQL, served from there by the real Triton."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deploy.local.process import Launch
from deploy.local.servers.tritonserver import TritonServer
from deploy.local.stack import Stack
from deploy.local.task import Task
from services.common.errors import Fatal, Rejected
from services.common.settings import Settings, settings_of
from services.common.store import ObjectStore
from services.registry.admit import add_version, admit
from services.registry.bucket import BucketRepository, repository_of
from services.registry.inspect import inspect
from services.registry.install import install_models
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect, ready_versions
from tests.registry.variants import MODEL, committed_golden, not_numbers, shifted, write_variant
from training.export.targets import REPOSITORY

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PLACE = "s3://xray/models"


class FromBucket(TritonServer):
    """Triton, configured to serve from the bucket."""

    def prepare(self, task: Task) -> Launch:
        launch = super().prepare(task)
        server = Stack(self.folder.root).environment()
        address = f"--model-repository=s3://{server['XRAY_S3_ENDPOINT']}/{PLACE.removeprefix('s3://')}"
        command = [address if word.startswith("--model-repository") else word for word in launch.command]
        keys = {
            "AWS_ACCESS_KEY_ID": server["XRAY_S3_ACCESS_KEY"],
            "AWS_SECRET_ACCESS_KEY": server["XRAY_S3_SECRET_KEY"],
        }
        region = {"AWS_DEFAULT_REGION": "us-east-1"}
        return Launch(tuple(command), {**launch.environment, **keys, **region}, launch.directory)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    servers = Stack(tmp_path_factory.mktemp("bucket"), tied=True)
    servers.servers["triton"] = FromBucket(servers.folder)
    try:
        servers.up(["seaweedfs", "postgres"])
        yield servers
    finally:
        servers.down()


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    settings = settings_of(stack.environment()).model_copy(update={"model_repository": PLACE})
    ObjectStore(settings).create_bucket()
    return settings


@pytest.fixture
def bucket(settings: Settings, tmp_path: Path) -> BucketRepository:
    """Contains the committed models; opened on a machine that has no copy yet."""
    repository = BucketRepository(settings, PLACE, tmp_path / "copy")
    install_models(ModelRepository(REPOSITORY), repository)
    return repository


def elsewhere(settings: Settings, folder: Path) -> BucketRepository:
    return BucketRepository(settings, PLACE, folder)


def test_a_change_on_one_machine_is_visible_on_another(
    bucket: BucketRepository, settings: Settings, tmp_path: Path
) -> None:
    other = elsewhere(settings, tmp_path / "other")
    assert other.models() == ["cae", "convnext"]
    write_variant(tmp_path / "new", 2, shifted(0.2))
    assert add_version(ModelRepository(tmp_path / "new"), bucket, MODEL, 2)
    with other.locked():
        assert inspect(other, MODEL, 2).card.version == 2
        assert other.served(MODEL) == [1]
        other.serve(MODEL, [1, 2])
    assert elsewhere(settings, tmp_path / "third").served(MODEL) == [1, 2]
    other.serve(MODEL, [1])
    other.remove(MODEL, 2)
    with bucket.locked():
        assert bucket.versions(MODEL) == [1]


def test_half_an_upload_is_refused_and_added_again(
    bucket: BucketRepository, settings: Settings, tmp_path: Path
) -> None:
    write_variant(tmp_path / "new", 3, shifted(0.3))
    store = ObjectStore(settings)
    store.put(f"models/{MODEL}/3/model.onnx", b"the first object of an upload that was cut off")
    with bucket.locked():
        pass
    with pytest.raises(Rejected, match="card_missing"):
        inspect(bucket, MODEL, 3)
    assert add_version(ModelRepository(tmp_path / "new"), bucket, MODEL, 3)
    assert inspect(elsewhere(settings, tmp_path / "other"), MODEL, 3).card.version == 3
    bucket.remove(MODEL, 3)


@pytest.mark.parametrize("place", ["s3://", "s3://xray", "s3:///models"])
def test_an_invalid_location_is_refused(settings: Settings, place: str, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="s3://bucket/prefix"):
        BucketRepository(settings, place, tmp_path)


def test_the_setting_decides(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert isinstance(repository_of(settings), BucketRepository)
    folder = settings.model_copy(update={"model_repository": str(REPOSITORY)})
    assert type(repository_of(folder)) is ModelRepository


def test_triton_serves_a_version_that_was_added_to_the_bucket(
    stack: Stack, bucket: BucketRepository, tmp_path: Path
) -> None:
    stack.up(["triton"])
    write_variant(tmp_path / "new", 5, shifted(0.5))
    write_variant(tmp_path / "new", 6, not_numbers, committed_golden())
    for version in (5, 6):
        add_version(ModelRepository(tmp_path / "new"), bucket, MODEL, version)
    with closing(connect(settings_of(stack.servers["triton"].environment()))) as client:
        assert admit(bucket, client, MODEL, 5).card.version == 5
        assert ready_versions(client)[MODEL] == {1, 5}
        with pytest.raises(Rejected, match="not_probabilities"):
            admit(bucket, client, MODEL, 6)
        assert ready_versions(client)[MODEL] == {1, 5}
