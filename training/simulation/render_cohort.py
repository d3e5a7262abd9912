"""Render part of a cohort into a folder: `python -m training.simulation.render_cohort FOLDER SEED COUNT SIDE SIMPLE`.

A separate program, so that parts are rendered in parallel while the servers start.
"""

import hashlib
import os
import sys
from pathlib import Path

import cv2

from services.demo.cohort import DemoPicture, DemoSubmission
from training.simulation import BALANCED, SpecimenSubmission, cohort


def write_part(folder: Path, seed: int, count: int, side: int | None, *, simple: bool) -> None:
    """Write `count` submissions, each as image files and one JSON file; the same arguments write the same bytes.

    `side` is the longer side of all images in pixels (None: as each centre sends them).
    """
    cv2.setNumThreads(1)
    for number, submission in enumerate(cohort(count, seed, side=side, simple=simple, prevalence=BALANCED)):
        name = f"{seed:04d}-{number:04d}"
        (folder / name).mkdir(exist_ok=True)
        written = _write_images(folder / name, submission)
        partial = folder / f"{name}.partial"
        partial.write_text(written.model_dump_json(indent=1))
        partial.rename(folder / f"{name}.json")


def _write_images(folder: Path, submission: SpecimenSubmission) -> DemoSubmission:
    specimen = submission.specimen
    pictures: list[DemoPicture] = []
    for index, sent in enumerate(submission.images):
        file = folder / f"{index}_{sent.image.file_name}"
        file.write_bytes(sent.image.data)
        pictures.append(
            DemoPicture(
                file=file,
                sha256=hashlib.sha256(sent.image.data).hexdigest(),
                parameter_stable_id=sent.image.parameter_stable_id,
                increment=str(sent.increment),
                expected=sent.expected,
                late=sent.late,
            )
        )
    return DemoSubmission(
        biological_sample_id=specimen.biological_sample_id,
        centre=specimen.centre,
        truth=(specimen.level1, *specimen.call),
        abnormal_elsewhere=specimen.abnormal_elsewhere,
        call_expected=submission.call_expected,
        pictures=tuple(pictures),
    )


if __name__ == "__main__":
    os.nice(10)  # servers and services start at the same time and have priority
    folder_, seed_, count_, side_, simple_ = sys.argv[1:]
    write_part(Path(folder_), int(seed_), int(count_), int(side_) or None, simple=simple_ == "simple")
