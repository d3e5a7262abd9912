"""Kafka's jars, resolved once from Maven Central by jgo. Run as `python -m deploy.local.servers.kafka_jars FOLDER`.

It is a separate process, so that an interrupted start can stop a download. The environment variable M2_REPO names the
Maven repository that it fills. The jars must match `kafka_jars.sha256`, which is written by `sha256sum *.jar` and must
be updated with the version of Kafka.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from deploy.local.versions import KAFKA_JARS

_PINS = Path(__file__).with_name("kafka_jars.sha256")


def main(folder: Path) -> None:
    """Put every jar of the pinned Kafka into `folder`, which is created only when complete and verified."""
    import jgo  # noqa: PLC0415  (reads M2_REPO and the network settings when imported)

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for artifact in jgo.resolve(KAFKA_JARS):
        jar = Path(artifact.resolve())
        shutil.copyfile(jar, partial / jar.name)
    if differing := differences(partial, _PINS):
        sys.exit(f"the jars in {folder.parent} are not those pinned in {_PINS.name}: {', '.join(differing)}")
    partial.rename(folder)


def differences(folder: Path, pins: Path) -> list[str]:
    """Return the names of jars in a folder that are missing, unknown, or do not match the digests in `pins`."""
    pinned = {name: digest for digest, name in map(str.split, pins.read_text(encoding="ascii").splitlines())}
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    return sorted(name for name in pinned.keys() | found.keys() if pinned.get(name) != found.get(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
