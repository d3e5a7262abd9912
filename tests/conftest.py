"""Fixtures for all tests."""

import signal

pytest_plugins = ["tests.real_pictures", "tests.stack_fixture"]


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, even if the tests run in the background.

    A shell starts background commands with SIGINT ignored, and all child processes inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
