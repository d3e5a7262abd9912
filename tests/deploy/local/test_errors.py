"""An error names the server, quotes its log and gives a remedy."""

from pathlib import Path

import pytest

from deploy.local.errors import StackError, failure
from services.common.errors import Fatal


def test_the_message_has_all_four_parts(tmp_path: Path) -> None:
    log = tmp_path / "triton.log"
    log.write_text("starting\nsomething odd\n", encoding="utf-8")
    error = failure("triton", "NVIDIA Triton exited with code 1 while starting", log)
    assert isinstance(error, Fatal)
    assert str(error) == (
        "triton: NVIDIA Triton exited with code 1 while starting\n"
        "last lines of its log:\n  | starting\n  | something odd\n"
        f"remedy: read the whole log: {log}"
    )


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        (
            "tritonserver: error while loading shared libraries: libnuma.so.1: cannot open shared object file",
            "install the system package that holds libnuma.so.1, then run `xray stack up` again",
        ),
        ('FATAL: could not bind IPv4 address "127.0.0.1": Address already in use', "it will choose a free one"),
        ("java.io.IOException: No space left on device", "free some disk space"),
        ("java.lang.OutOfMemoryError: Java heap space", "free some memory"),
        ("error: Failed to fetch: `numpy`", "check the network"),
        ("the jars in /cache are not those pinned in pins: a.jar", "delete the folder /cache and run `xray stack up`"),
    ],
)
def test_known_causes_get_their_own_remedy(tmp_path: Path, line: str, remedy: str) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"before\n{line}\nafter\n", encoding="utf-8")
    assert remedy in failure("server", "died", log).remedy


def test_without_a_log_nothing_is_quoted(tmp_path: Path) -> None:
    error = failure("kafka", "died", tmp_path / "none.log")
    assert error.last_lines == ()
    assert "last lines" not in str(error)
    assert str(StackError("kafka", "died", "pray")) == "kafka: died\nremedy: pray"
