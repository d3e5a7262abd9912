"""deploy/containers/Dockerfile as the tests read it: its stages with what they copy, run and become."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tests.deploy.compose_file import CLONE

DOCKERFILE: Final = CLONE / "deploy" / "containers" / "Dockerfile"


@dataclass
class Stage:
    """One stage; `user` is what its containers run as, inherited from the stage that it builds upon."""

    base: str
    user: str
    copies: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


@cache
def stages() -> dict[str, Stage]:
    """Every stage by name, in order; only what is copied from the build context counts as a copy."""
    found: dict[str, Stage] = {}
    current = Stage("", "")
    for line in re.sub(r"\\\n\s*", "", DOCKERFILE.read_text()).splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found[name] = Stage(base, found[base].user if base in found else "0:0")
        elif word == "USER":
            current.user = rest
        elif word == "RUN":
            current.runs.append(rest)
        elif word == "COPY" and "--from=" not in rest:
            current.copies += [part for part in rest.split()[:-1] if not part.startswith("--")]
    return found
