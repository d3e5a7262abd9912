import pytest

from services.ingest.push.hints import parameter_in


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ("IMPC_XRY_034_001", "IMPC_XRY_034_001"),
        ("183808-IMPC_XRY_048_001-2", "IMPC_XRY_048_001"),
        ("JAXLA_XRY_050_001", "JAXLA_XRY_050_001"),
        ("XRay Images Whole Body Dorso Ventral", "IMPC_XRY_034_001"),
        ("XRay Images Whole Body Lateral Orientation", "IMPC_XRY_048_001"),
        ("XRay Images Skull Lateral Orientation", "IMPC_XRY_050_001"),
        ("XRay Images Skull Dorso Ventral Orientation", "IMPC_XRY_051_001"),
        ("XRay Images Hind Leg and Hip", "IMPC_XRY_052_001"),
        ("XRay Images Forepaw", "IMPC_XRY_049_001"),
        ("mouse7_DV", "IMPC_XRY_034_001"),
        ("mouse7_lat", "IMPC_XRY_048_001"),
        ("thumb_1110037F02Rik_skullDV", "IMPC_XRY_051_001"),
        ("head_lateral_WT_597x590", "IMPC_XRY_050_001"),
        ("hindquarters_Jazf1_het", "IMPC_XRY_052_001"),
    ],
)
def test_the_parameter_that_a_text_states(text: str, parameter: str) -> None:
    assert parameter_in(text) == parameter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mouse7",
        "DV_and_LAT",  # two views
        "skull",  # not a view
        "forepaw and hind leg",
        "skull with forepaw",
        "HAS_XRY_034_001",  # a legacy procedure, in which 034 is lateral
        "IMPC_XRY_034_001 IMPC_XRY_048_001",
        "IMPC_XRY_008_001",  # an observation, not an image
        "advanced flat plate",  # dv and lat inside other words
    ],
)
def test_an_uncertain_view_is_not_guessed(text: str) -> None:
    assert parameter_in(text) is None
