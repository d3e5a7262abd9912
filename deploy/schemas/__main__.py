"""`python -m deploy.schemas [--check]`."""

from __future__ import annotations

import argparse
import sys

from deploy.schemas import contract

_DESCRIPTION = """
Write the JSON Schemas, the AsyncAPI document and docs/contracts.md from the events.

Fails and writes nothing if an event breaks a promise of its schema version: a field was removed or renamed, a new field
is required, or the allowed values changed. Such a change needs a new `schema_version`.
"""


def main() -> int:
    """Write the files, or check them with `--check`. Return the exit code and print one line per problem."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.schemas", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the files are out of date")
    found = problems(check=parser.parse_args().check)
    for problem in found:
        sys.stderr.write(f"{problem}\n")
    return 1 if found else 0


def problems(*, check: bool) -> list[str]:
    """Return what is wrong with the events or, with `check`, with the files. Without `check`, write the files."""
    try:
        broken = contract.broken_promises(contract.schemas())
    except LookupError as error:
        return [str(error)]
    if broken:
        return [*broken, "raise the event's schema_version, or undo the change (docs/contracts.md)"]
    if check:
        return contract.drift()
    for path, text in contract.files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return []


if __name__ == "__main__":
    sys.exit(main())
