"""Records of models.active, and the files of a model version from elsewhere."""

import hashlib
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any, Final, NoReturn

import pytest
import structlog

from services.common.errors import Rejected
from services.common.events import ModelActivation
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS
from services.registry import activations
from services.registry.active_models import ActiveModels, follows
from services.registry.inspect import inspect
from services.registry.repository import FILE, ModelRepository, read_configuration, write_configuration
from tests.fuzz.harness import ACCEPTED, INPUTS, TIMEOUT, run
from tests.fuzz.hostile_json import changed_bytes, changed_json
from tests.fuzz.oracle import check_accepted
from tests.registry.test_active_models import FIRST, SECOND, promotion, rollback
from tests.registry.variants import MODEL, shifted, write_variant

pytestmark = pytest.mark.timeout(TIMEOUT)
HISTORY: Final = (FIRST, SECOND, promotion(SECOND, 3), rollback(promotion(SECOND, 3)))
INSPECTED: Final = {
    *("path_escapes", "file_unexpected", "card_missing", "card_invalid", "file_missing", "graph_digest_wrong"),
    *("weights_digest_wrong", "program_differs", "golden_digest_wrong", "golden_damaged", "golden_not_probabilities"),
    *("plan_differs", "configuration_unreadable", "model_unknown"),
}
PIECES: Final = (
    b"{",
    b"}",
    b'"',
    b":",
    b"#",
    b"\\377",
    b"\xff",
    b"max_batch_size: 9",
    b'key: "card.2"',
    b"version_policy",
    b"\0",
)


def drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


def test_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is between them, sound records serve, and each record that is ignored is counted."""
    monkeypatch.setattr(activations, "log", structlog.wrap_logger(None, processors=[drop]))
    seeds = [one.encode() for one in HISTORY]

    def check(random: Random) -> str:
        sound = HISTORY[: random.randint(1, len(HISTORY))]
        models = ActiveModels(Settings())
        offset, ignored = 0, 0
        before: ModelActivation | None = None
        for record in sound:
            hostile = changed_json(random, seeds) if before else b""
            models._take(hostile, offset)
            taken = models.serving
            if taken != before:
                # The changed record is a sound next one itself: it was promoted, and the rest no longer follows.
                assert taken is not None
                assert before is not None
                assert follows(before, taken)
                check_accepted(ACTIVE_MODELS, taken)
                return ACCEPTED
            ignored += models.shadow is None
            models._take(record.encode(), offset + 1)
            assert models.serving == record
            before, offset = record, offset + 2
        return "ignored" if models.ignored else "nothing_ignored"

    run("activations", check, {"ignored", "nothing_ignored"}, accepted=0)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    write_variant(root, 2, shifted(0.1))
    return root / MODEL / "2"


def test_versions(version: Path, tmp_path: Path) -> None:
    """A version whose card, configuration, golden outputs or plan are changed is inspected or refused."""
    root = version.parents[1]
    shutil.copytree(root, tmp_path / "source", symlinks=True)
    folder = tmp_path / "source" / MODEL / "2"
    configuration, golden, plan = folder.parent / FILE, folder / "golden.json", folder / "plan.json"
    whole = {path: path.read_bytes() for path in (configuration, golden)}
    card: dict[str, Any] = json.loads(read_configuration(configuration).parameters["card.2"].string_value)
    (folder / "model.plan").write_bytes(b"x")

    def pinned(data: bytes, **changes: str) -> None:
        """The golden outputs, and a card that pins them: whoever brings the files brings the card too."""
        golden.write_bytes(data)
        put_card(json.dumps(card | changes))

    def put_card(text: str) -> None:
        changed = read_configuration(configuration)
        changed.parameters["card.2"].string_value = text
        write_configuration(configuration, changed)

    def check(random: Random) -> str:
        for path, data in whole.items():
            path.write_bytes(data)
        plan.write_text(json.dumps({"onnx_sha256": card["onnx_sha256"], "plan_sha256": sha256(b"x")}))
        match random.randrange(4):
            case 0:
                text = changed_json(random, [json.dumps(card).encode()])
                put_card(text.decode(errors="replace"))
            case 1:
                configuration.write_bytes(changed_bytes(random, whole[configuration], PIECES))
            case 2:
                data = changed_json(random, [whole[golden]])
                pinned(data, golden_sha256=sha256(data))
            case _:
                plan.write_bytes(changed_json(random, [plan.read_bytes()]))
        try:
            found = inspect(ModelRepository(tmp_path / "source"), MODEL, 2)
            found.golden.largest_difference(found.golden.outputs)
        except Rejected as rejected:
            rejected.message.encode()
            return rejected.reason
        return ACCEPTED

    run("versions", check, INSPECTED, inputs=INPUTS // 10)  # each input reads and inflates a whole version
