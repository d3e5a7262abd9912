from pathlib import Path

import pytest
from pydantic import ValidationError

from services.common.labels import LABEL_ORDER
from services.common.model_card import ModelCard
from services.registry.repository import read_configuration
from training.export.graph import sha256
from training.export.repository import read_cards, write_version
from training.export.targets import MAX_BATCH_SIZE, REPOSITORY

GRAPH = b"a graph"


def _card(version: int, description: str = "two\nlines, a \"quote\", a 'tick' and ü") -> ModelCard:
    return ModelCard(
        model="cae", version=version, architecture="test", preprocessing_version="p1", tensor_side=224,
        labels=LABEL_ORDER, thresholds=(0.5,) * 14, uncertain_half_width=0.05, calibration_digest="0" * 64,
        training_digest="1" * 64, onnx_sha256=sha256(GRAPH), description=description,
    )  # fmt: skip


def test_a_card_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    directory = write_version(_card(1), GRAPH, repository=tmp_path)
    assert read_cards(directory / "config.pbtxt") == {1: _card(1)}
    assert (directory / "1" / "model.onnx").read_bytes() == GRAPH
    assert (directory / "1" / "model.py").readlink() == Path("../../model.py")
    assert (tmp_path / "model.py").read_bytes() == (REPOSITORY / "model.py").read_bytes()


def test_new_version_keeps_the_old_card_and_both_are_served(tmp_path: Path) -> None:
    for version in (1, 2):
        directory = write_version(_card(version), GRAPH, repository=tmp_path)
    assert set(read_cards(directory / "config.pbtxt")) == {1, 2}
    assert read_configuration(directory / "config.pbtxt").version_policy.latest.num_versions == 2


def test_version_can_be_written_again(tmp_path: Path) -> None:
    write_version(_card(1), GRAPH, repository=tmp_path)
    directory = write_version(_card(1, "better"), b"another graph", repository=tmp_path)
    assert read_cards(directory / "config.pbtxt")[1].description == "better"
    assert sorted(path.name for path in (directory / "1").iterdir()) == ["card.md", "model.onnx", "model.py"]


def test_all_files_exist_before_the_configuration_names_their_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_path: Path, _configuration: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.export.repository.write_configuration", killed)
    with pytest.raises(KeyboardInterrupt):
        write_version(_card(1), GRAPH, weights=b"weights", repository=tmp_path)
    version = tmp_path / "cae" / "1"
    assert {path.name for path in version.iterdir()} == {"card.md", "model.onnx", "model.py", "weights.safetensors"}
    assert (version / "weights.safetensors").read_bytes() == b"weights"


def test_configuration_is_what_the_services_expect(tmp_path: Path) -> None:
    configuration = read_configuration(write_version(_card(1), GRAPH, repository=tmp_path) / "config.pbtxt")
    assert configuration.backend == "python"
    assert configuration.max_batch_size == MAX_BATCH_SIZE
    assert configuration.HasField("dynamic_batching")
    assert [(item.name, list(item.dims)) for item in configuration.input] == [("image", [224, 224, 3])]
    assert [(item.name, list(item.dims)) for item in configuration.output] == [
        ("level1", [1]),
        ("level2", [3]),
        ("level3", [10]),
    ]


def test_card_with_labels_in_another_order_is_refused() -> None:
    with pytest.raises(ValidationError, match="in this order"):
        ModelCard.model_validate({**_card(1).model_dump(), "labels": LABEL_ORDER[::-1]})
