"""Fixtures that every test may ask for."""

import signal

pytest_plugins = ["tests.stack_fixture"]


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, also where the tests themselves run in the background.

    A shell starts background commands with SIGINT ignored, and every process below inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
