"""deploy/containers/Dockerfile as the tests read it: its stages with their copies and commands."""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tests.deploy.compose_file import CLONE

DOCKERFILE: Final = CLONE / "deploy" / "containers" / "Dockerfile"


@dataclass
class Stage:
    """One stage. `user` runs its containers and is inherited from the base stage; `copies` maps sources to targets."""

    base: str
    user: str
    copies: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)


@cache
def stages() -> dict[str, Stage]:
    """Every stage by name, in order; only copies from the build context are listed."""
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
            *sources, target = [part for part in rest.split() if not part.startswith("--")]
            current.copies |= dict.fromkeys(sources, target)
    return found
