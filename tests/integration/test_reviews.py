"""From calls by reviews to a dataset, on the real Kafka, S3 and PostgreSQL, with the real sink."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from deploy.local.stack import Stack
from services.cli.main import app
from services.common.errors import Rejected
from services.common.events.base import now
from services.common.kafka.clients import publisher
from services.common.labels import LABEL_ORDER
from services.common.loop import Message
from services.common.loop.transport import KafkaTransport
from services.common.preprocessing import GENERATION, VERSION
from services.common.settings import ServiceSettings
from services.common.topics import CALLS, REVIEWS
from services.fuser.service import npy
from services.ledger.migrate import migrate
from services.operations.provisioning import ensure_topics
from tests.integration.test_cli import wait_until
from tests.integration.test_sink import running
from tests.ledger.examples import call
from tests.pipeline.deployment import Deployment
from tests.training.datasets.collect.making import NORMAL, SPINE, label_set, named
from training.datasets.arrays import MISSING
from training.datasets.collect.dataset import Dataset
from training.refresh.schedule import Schedule, reviews_since

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

LEARNT, JUDGED = named("train", 3, "review"), named("test", 1, "review")
UNLABELLED = named("validation", 1, "review")
EVERYONE = [*LEARNT, *JUDGED, *UNLABELLED]


@dataclass(frozen=True)
class Curator:
    """`xray` in the deployment, and the folder that datasets go to."""

    deployment: Deployment
    datasets: Path
    labels: Path

    def xray(self, *arguments: object, exit_code: int = 0) -> Result:
        given = [str(one) for one in arguments]
        answer = CliRunner().invoke(app, given, env=self.deployment.environment, catch_exceptions=False)
        assert answer.exit_code == exit_code, answer.output
        return answer

    def reviews(self) -> int:
        return int(self.deployment.query("select count(*) from review")[0][0])

    def collect(self, *options: str, exit_code: int = 0) -> Dataset:
        answer = self.xray(
            "train", "collect", "--out", self.datasets, "--labels", self.labels, *options, exit_code=exit_code
        )
        return Dataset.read(Path(answer.stdout.strip()))


@pytest.fixture(scope="module")
def curator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Curator]:
    """Five called mice, three of which are in a label set; the sink runs."""
    folder = tmp_path_factory.mktemp("reviews")
    labels = label_set(folder / "labels", {LEARNT[0]: SPINE, LEARNT[1]: NORMAL, JUDGED[0]: (0, *[None] * 13)})
    stack = Stack(folder / "stack", tied=True)
    try:
        stack.up(["kafka", "seaweedfs", "postgres"])
        deployment = Deployment(stack, folder / "logs", {})
        values = {name.removeprefix("XRAY_").lower(): value for name, value in stack.environment().items()}
        settings = ServiceSettings.model_validate(values)
        ensure_topics(settings)
        deployment.store.create_bucket()
        migrate(settings.postgres_dsn.get_secret_value())
        with running(settings):
            _call(deployment, settings)
            wait_until(lambda: len(deployment.calls()) == len(EVERYONE))
            yield Curator(deployment, folder / "datasets", labels)
    finally:
        stack.down()


def _call(deployment: Deployment, settings: ServiceSettings) -> None:
    """Store tensors as the fuser does and publish calls as the classifier does; no model is involved."""
    messages = []
    for number, specimen in enumerate(EVERYONE):
        tensor = np.random.default_rng(number).integers(0, 255, size=(224, 224, 3), dtype=np.uint8)
        data, key = npy(tensor), f"tensors/{VERSION}-224/{number:02x}/{specimen}.npy"
        deployment.store.put(key, data)
        fields: dict[str, Any] = {
            "tensor_key": key,
            "tensor_sha256": sha256(data).hexdigest(),
            "preprocessing_version": VERSION,
        }
        messages.append(Message(CALLS, call(specimen, generation=GENERATION, **fields)))
    with closing(KafkaTransport(settings, "test", [])) as producer:
        producer.publish(messages)


def _label(dataset: Dataset, specimen: str, label: str) -> int:
    return int(dataset.labels[dataset.specimens.index(specimen), LABEL_ORDER.index(label)])


def test_a_review_is_shown_with_the_call_stored_and_traced(curator: Curator) -> None:
    mouse_ = LEARNT[2]
    answer = curator.xray(
        "review", mouse_, "--abnormal", "spine,fusion", "--normal", "Ribs", "--who", "anna", "--note", "one block"
    )
    assert "probability" in answer.stdout
    rows = [line.split() for line in answer.stdout.splitlines()]
    assert [row[:2] for row in rows if row and row[0] in LABEL_ORDER] == [
        ["Spine", "abnormal"], ["Fusion", "abnormal"], ["Ribs", "normal"],
    ]  # fmt: skip
    wait_until(lambda: curator.reviews() == 1)
    (kept,) = [json.loads(line) for line in curator.xray("review", "list", mouse_, "--json").stdout.splitlines()]
    (current,) = curator.deployment.query(f"select call_id from current_call where biological_sample_id = '{mouse_}'")
    assert (kept["who"], kept["note"], kept["call_id"]) == ("anna", "one block", current[0])
    assert "reviewed by anna: abnormal Spine, Fusion; normal Ribs" in curator.xray("trace", mouse_, "--json").stdout
    assert "one block" in curator.xray("calls", mouse_).stdout


def test_an_empty_or_impossible_review_is_refused(curator: Curator) -> None:
    before = curator.reviews()
    for given, reason in (
        (("review", "nobody", "--abnormal", "Spine"), "no_call"),
        (("review", LEARNT[0], "--abnormal", "Shape", "--normal", "Spine"), "field_invalid"),
        (("review", LEARNT[0], "--abnormal", "Spien"), "label_unknown"),
    ):
        with pytest.raises(Rejected) as refused:
            curator.xray(*given)
        assert refused.value.reason == reason
    assert curator.reviews() == before


def test_an_invalid_line_affects_no_other_and_sending_again_adds_nothing(curator: Curator, tmp_path: Path) -> None:
    before = curator.reviews()
    file = tmp_path / "reviews.csv"
    file.write_text(
        "biological_sample_id,abnormal,normal,who,reviewed_at\n"
        f"{LEARNT[0]},,Shape,ben,2026-01-02T10:00:00Z\n"
        f"{LEARNT[0]},Shape,Spine,ben,2026-01-02T11:00:00Z\n"
        f"{LEARNT[1]},Ribs,,ben,2026-01-02T10:00:00Z\n",
        encoding="utf-8",
    )
    for _ in range(2):
        answer = curator.xray("review", "--file", file, exit_code=1)
        assert f"{file}:3: field_invalid: not a valid Review" in answer.stderr
        assert "2 reviews sent, 1 lines rejected" in answer.stderr
    wait_until(lambda: curator.reviews() == before + 2)
    # The sink refuses what is published without the command, and the ledger keeps its bytes.
    _publish(curator, LEARNT[0], b'{"biological_sample_id": "x", "verdicts": {"Tail": "odd"}, "who": "eve"}')
    wait_until(
        lambda: bool(curator.deployment.query("select 1 from rejection where source_topic = 'phenotype.reviews'"))
    )
    assert curator.reviews() == before + 2


def test_collecting_again_gives_the_same_dataset_and_a_new_one_after_a_verdict(curator: Curator) -> None:
    first = curator.collect("--grow-evaluation")
    assert set(first.specimens) == {*LEARNT, *JUDGED}
    assert first.description.left_out == {"no_label": 1}
    assert _label(first, LEARNT[0], "Shape") == 0
    assert [_label(first, LEARNT[1], label) for label in ("Abnormal", "Ribcage", "Ribs")] == [1, 1, 1]
    assert [_label(first, LEARNT[2], label) for label in ("Abnormal", "Spine", "Shape")] == [1, 1, MISSING]
    assert _label(first, JUDGED[0], "Spine") == MISSING
    assert "review against set" in (curator.datasets / "report.md").read_text(encoding="utf-8")
    assert curator.collect().folder == first.folder
    _is_the_tensor_of_the_call(curator, first)

    curator.xray("review", LEARNT[0], "--abnormal", "Shape", "--who", "anna")
    curator.xray("review", *UNLABELLED, "--normal", "Abnormal", "--who", "anna")
    wait_until(lambda: curator.reviews() == 5)
    # Tensors are fetched only once.
    curator.deployment.store.put(_tensor_key(curator, LEARNT[0]), b"gone")
    second = curator.collect()
    assert second.digest != first.digest
    assert _label(second, LEARNT[0], "Shape") == 1
    assert second.description.conflicts["curators disagree"] == 1
    sides = [dict(zip(one.specimens, one.parts, strict=True)) for one in (first, second)]
    assert sides[0].items() <= sides[1].items()
    assert second.description.evaluation == first.description.evaluation


def test_a_watching_refresh_counts_the_reviews_that_came_since(curator: Curator) -> None:
    settings, recorded = curator.deployment.settings, "select recorded_at from review order by recorded_at"
    moments = [row[0] for row in curator.deployment.query(recorded)]
    begun = moments[0] - timedelta(seconds=1)
    assert reviews_since(settings, begun) == len(moments)
    assert reviews_since(settings, moments[-1]) == 0
    schedule = Schedule(timedelta(days=7), after_labels=len(moments))
    assert schedule.is_due(begun, now(), partial(reviews_since, settings))
    assert not Schedule(schedule.every, len(moments) + 1).is_due(begun, now(), partial(reviews_since, settings))


def test_a_dataset_and_its_evaluation_set_are_in_object_storage(curator: Curator, tmp_path: Path) -> None:
    dataset = curator.collect()
    store = curator.deployment.store
    for name in ("manifest.parquet", "dataset.json", "evaluation.parquet"):
        assert store.get(f"datasets/{dataset.digest}/{name}") == (dataset.folder / name).read_bytes()
    assert store.keys("datasets/evaluation/") == ["datasets/evaluation/000001.parquet"]
    assert not store.put_new("datasets/evaluation/000001.parquet", b"another")
    # Another machine gets the same set from the servers alone; the damaged tensor is reported and affects no other.
    elsewhere = Curator(curator.deployment, tmp_path / "elsewhere", curator.labels).collect()
    assert elsewhere.description.left_out == {"tensor_differs": 1}
    assert elsewhere.description.evaluation.digest == dataset.description.evaluation.digest


def _tensor_key(curator: Curator, specimen: str) -> str:
    query = f"select tensor_key from current_call where biological_sample_id = '{specimen}'"
    return str(curator.deployment.query(query)[0][0])


def _is_the_tensor_of_the_call(curator: Curator, dataset: Dataset) -> None:
    stored = curator.deployment.store.get(_tensor_key(curator, LEARNT[1]))
    image = dataset.images[dataset.specimens.index(LEARNT[1])]
    assert np.array_equal(np.frombuffer(stored[-image.size :], dtype=np.uint8).reshape(image.shape), image)


def _publish(curator: Curator, key: str, value: bytes) -> None:
    with publisher(curator.deployment.settings) as producer:
        producer.send(REVIEWS.name, key=key.encode(), value=value).get(timeout=60)
