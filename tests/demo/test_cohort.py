"""A small cohort, rendered by child processes."""

import hashlib
from pathlib import Path

import pytest

from services.common.errors import Fatal
from services.demo.cohort import CohortRequest, rendering

SMALL = CohortRequest(count=3, seed=4, side=300, simple=True)


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*_*.*"))
    }


def test_a_cohort_is_rendered_once_and_kept(tmp_path: Path) -> None:
    with rendering(tmp_path / "a", SMALL) as cohort:
        first = cohort.result()
    assert len(first) == 3
    assert len({one.biological_sample_id for one in first}) == 3
    for one in first:
        assert one.call_expected
        assert [p.parameter_stable_id for p in one.pictures] == ["IMPC_XRY_034_001", "IMPC_XRY_048_001"]
        assert all(picture.file.stat().st_size > 1000 for picture in one.pictures)
        assert len(one.truth) == 14
    times = {picture.file: picture.file.stat().st_mtime_ns for one in first for picture in one.pictures}
    with rendering(tmp_path / "a", SMALL) as cohort:
        assert cohort.result() == first
    assert all(file.stat().st_mtime_ns == time for file, time in times.items())
    with rendering(tmp_path / "b", SMALL) as cohort:
        cohort.result()
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_the_error_of_a_failed_child_is_shown(tmp_path: Path) -> None:
    with (
        rendering(tmp_path, CohortRequest(count=2, seed=-100, side=300, simple=True)) as cohort,
        pytest.raises(Fatal, match=r"could not be rendered(.|\n)*ValueError"),
    ):
        cohort.result()
