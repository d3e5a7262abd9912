"""The entry point of the program `xray`. It works before the libraries of the command line are installed."""

import sys

from services.common.environment import install_command

_PACKAGES = frozenset({"services", "training", "deploy"})


def main() -> None:
    """Run `xray`. If a library is missing, name the command that installs it on stderr and exit with status 2."""
    try:
        from services.cli.main import main as xray
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in _PACKAGES:
            raise
        sys.exit(_report(error.name))
    xray()


def _report(library: str) -> int:
    sys.stderr.write(f"xray: needs {library}, which is not installed; run `{install_command('serving')}`\n")
    return 2
