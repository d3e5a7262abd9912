from deploy.access_page import PAGE, page


def test_the_tables_of_rights_are_up_to_date() -> None:
    """If this fails: `python -m deploy.access_page`."""
    text = PAGE.read_text()
    assert page(text) == text
    assert "| fuser | `xray.specimens` | `xray.rejected`, `xray.tensors` | read group `fuser` |" in text
