"""Only the pinned jars are run."""

import hashlib
from pathlib import Path

from deploy.local.servers import kafka_jars
from deploy.local.servers.kafka_jars import differences
from deploy.local.versions import KAFKA, KAFKA_SCALA, SLF4J_SIMPLE


def test_changed_missing_and_unknown_jars_are_named(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"good").hexdigest()
    pins = tmp_path / "pins"
    pins.write_text(f"{digest}  a.jar\n{digest}  b.jar\n{digest}  c.jar\n", encoding="ascii")
    for name in ("a.jar", "b.jar", "c.jar"):
        (tmp_path / name).write_bytes(b"good")
    assert differences(tmp_path, pins) == []
    (tmp_path / "b.jar").write_bytes(b"evil")
    (tmp_path / "c.jar").rename(tmp_path / "d.jar")
    assert differences(tmp_path, pins) == ["b.jar", "c.jar", "d.jar"]


def test_the_pins_are_those_of_the_versions_file() -> None:
    names = kafka_jars._PINS.read_text(encoding="ascii")
    assert f"kafka_{KAFKA_SCALA}-{KAFKA}.jar" in names
    assert f"slf4j-simple-{SLF4J_SIMPLE}.jar" in names
