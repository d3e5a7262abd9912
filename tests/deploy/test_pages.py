from pathlib import Path

import pytest

from deploy.pages import PAGES, SECTIONS, metrics_of, settings_page


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_page_is_up_to_date(path: Path) -> None:
    """If this fails: `python -m deploy.pages`."""
    assert path.read_text() == PAGES[path]()


def test_names_follow_the_convention_and_every_meaning_is_a_sentence() -> None:
    found = [one for _, module in SECTIONS for metric in metrics_of(module) for one in metric.describe()]
    assert len(found) > 25
    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert one.name.startswith("xray_"), one.name
        assert one.documentation.endswith("."), one.name
        assert not one.name.endswith(("_ms", "_count", "_sum", "_bucket")), one.name


def test_every_setting_is_explained() -> None:
    rows = [line for line in settings_page().splitlines() if line.startswith("| `XRAY_")]
    assert len(rows) > 20
    assert all(row.split("|")[3].strip() for row in rows)
