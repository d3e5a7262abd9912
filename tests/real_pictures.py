"""Third-party data that is not part of this repository: `XRAY_TEST_PICTURES` names the folder that holds it.

The folder contains `impc_images/`, `digimouse/` and `examples/`. Without the variable, the tests that need it are
skipped, and the summary of the test run counts them. A value that is not a folder is an error.
"""

import os
from pathlib import Path
from typing import Final

import pytest

VARIABLE: Final = "XRAY_TEST_PICTURES"
_REASON: Final = f"set {VARIABLE} to the folder of the third-party pictures and documents"


@pytest.fixture(scope="session")
def real_pictures() -> Path:
    """The folder that `XRAY_TEST_PICTURES` names; skips the test if the variable is not set."""
    name = os.environ.get(VARIABLE, "")
    if not name:
        pytest.skip(_REASON)
    folder = Path(name)
    assert folder.is_dir(), f"{VARIABLE}={name} is not a folder"
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report how many tests were skipped because the variable is not set."""
    reports = terminalreporter.stats.get("skipped", [])
    number = sum(_REASON in str(report.longrepr) for report in reports)
    if number:
        terminalreporter.write_line(f"{number} tests skipped because they need third-party data: {_REASON}")
