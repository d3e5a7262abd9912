"""The load requests to Triton when an admission fails, is interrupted or was killed; without a server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from services.common.errors import Rejected, Retriable
from services.registry import admit as module
from services.registry import shadow
from services.registry.admit import add_version, admit
from services.registry.promote import _serve_only
from services.registry.repository import ModelRepository
from services.registry.shadow import _unload
from services.registry.triton_client import load
from tests.registry.variants import MODEL, shifted, write_variant


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """Version 1 serves; 2 and 3 wait for admission."""
    for version in (2, 3):
        write_variant(tmp_path / "new", version, shifted(version / 10))
    write_variant(tmp_path / "served", 1, shifted(0.0))
    served = ModelRepository(tmp_path / "served")
    for version in (2, 3):
        add_version(ModelRepository(tmp_path / "new"), served, MODEL, version)
    return served


def loading(
    patch: pytest.MonkeyPatch, repository: ModelRepository, answer: Callable[[], None], *, where: object = module
) -> list[list[int]]:
    """Make the first load answer this; returns the versions that each load requested."""
    asked: list[list[int]] = []

    def stand_in(_client: object, model: str) -> None:
        asked.append(repository.served(model))
        if len(asked) == 1:
            answer()

    patch.setattr(where, "load", stand_in)
    return asked


def raising(error: BaseException) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


@pytest.mark.parametrize(
    "error", [Rejected("load_failed", "no"), Retriable("away", server="triton"), KeyboardInterrupt()]
)
def test_a_version_that_was_not_proven_is_removed_again(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    asked = loading(monkeypatch, repository, raising(error))
    with pytest.raises(type(error)):
        admit(repository, None, MODEL, 2)
    assert asked == [[1, 2], [1]]
    assert repository.served(MODEL) == [1]


def test_a_version_left_by_a_killed_attempt_is_removed_too(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.serve(MODEL, [1, 2])
    asked = loading(monkeypatch, repository, raising(Rejected("load_failed", "no")))
    with pytest.raises(Rejected):
        admit(repository, None, MODEL, 2)
    assert asked == [[1, 2], [1]]


def test_a_compiled_program_is_gone_before_the_load(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = repository.folder(MODEL, 2) / "__pycache__"
    compiled.mkdir()
    (compiled / "model.cpython-311.pyc").write_bytes(b"what Python would run for model.py")
    there: list[bool] = []
    loading(monkeypatch, repository, lambda: there.append(compiled.exists()))
    with pytest.raises(AttributeError):  # no client to ask for answers
        admit(repository, None, MODEL, 2)
    assert there == [False]


def test_a_compiled_program_that_leads_elsewhere_is_refused(repository: ModelRepository, tmp_path: Path) -> None:
    (repository.folder(MODEL, 2) / "__pycache__").symlink_to(tmp_path)
    with pytest.raises(Rejected, match="file_unexpected"):
        admit(repository, None, MODEL, 2)


def test_needed_versions_stay_in_every_case(repository: ModelRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.serve(MODEL, [1, 2])
    loading(monkeypatch, repository, raising(Rejected("load_failed", "no")))
    with pytest.raises(Rejected):
        admit(repository, None, MODEL, 2, needed={1, 2})
    assert repository.served(MODEL) == [1, 2]


def test_a_promotion_unloads_versions_that_nobody_needs(repository: ModelRepository) -> None:
    repository.serve(MODEL, [1, 2, 3])
    _serve_only(repository, {MODEL: {1, 3}})
    assert repository.served(MODEL) == [1, 3]
    _serve_only(repository, {MODEL: {9}})
    assert repository.served(MODEL) == [1, 3]


def test_one_that_was_retired_while_triton_is_away_is_not_loaded_when_it_is_back(
    repository: ModelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.serve(MODEL, [1, 2])
    loading(monkeypatch, repository, raising(Retriable("away", server="triton")), where=shadow)
    with pytest.raises(Retriable):
        _unload(None, repository, MODEL, 2, [1, 2])
    assert repository.served(MODEL) == [1]


class Answering:
    """A live Triton that answers a load with this."""

    def __init__(self, status: str) -> None:
        self._status = status

    def load_model(self, *_arguments: Any, **_options: Any) -> None:
        raise InferenceServerException("no", status=f"StatusCode.{self._status}")

    def is_server_live(self, **_options: Any) -> bool:
        return True


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("DEADLINE_EXCEEDED", Retriable),
        ("UNAVAILABLE", Retriable),
        ("INVALID_ARGUMENT", Rejected),
        ("INTERNAL", Rejected),
    ],
)
def test_a_busy_server_proves_nothing_about_the_model(status: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        load(Answering(status), MODEL)
