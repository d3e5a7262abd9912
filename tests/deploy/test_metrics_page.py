from deploy.metrics_page import PAGE, SECTIONS, metrics_of, page


def test_the_page_is_up_to_date() -> None:
    """If this fails: `python -m deploy.metrics_page`."""
    assert PAGE.read_text() == page()


def test_names_follow_the_convention_and_every_meaning_is_a_sentence() -> None:
    found = [one for _, module in SECTIONS for metric in metrics_of(module) for one in metric.describe()]
    assert len(found) > 25
    assert len({one.name for one in found}) == len(found)
    for one in found:
        assert one.name.startswith("xray_"), one.name
        assert one.documentation.endswith("."), one.name
        assert not one.name.endswith(("_ms", "_count", "_sum", "_bucket")), one.name
