"""Kafka's jars, resolved once from Maven Central by jgo. Run as `python -m deploy.local.servers.kafka_jars FOLDER`.

It is a process of its own, so that an interrupted start can end a download. The Maven repository it fills lies
where the environment variable M2_REPO says.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from deploy.local.versions import KAFKA_JARS


def main(folder: Path) -> None:
    """Put every jar of the pinned Kafka into `folder`, which appears only when it is complete."""
    import jgo  # noqa: PLC0415  (reads M2_REPO and the network settings when imported)

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for artifact in jgo.resolve(KAFKA_JARS):
        jar = Path(artifact.resolve())
        shutil.copyfile(jar, partial / jar.name)
    partial.rename(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
