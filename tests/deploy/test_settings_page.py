from deploy.settings_page import PAGE, page


def test_the_page_is_up_to_date() -> None:
    """If this fails: `python -m deploy.settings_page`."""
    assert PAGE.read_text() == page()


def test_every_setting_is_explained() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `XRAY_")]
    assert len(rows) > 20
    assert all(row.split("|")[3].strip() for row in rows)
