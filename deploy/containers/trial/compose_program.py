"""Docker Compose: the one that is installed, else compiled through the Go module proxy."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from deploy.containers.trial.tools import WORK, need, run

VERSION: Final = "v2.40.3"
_PACKAGE: Final = "github.com/docker/compose/v2/cmd"
# Docker Compose forbids `go install` (its module excludes and replaces others), so it is built as a dependency.
_TOOLS: Final = f'//go:build tools\n\npackage tools\n\nimport _ "{_PACKAGE}"\n'


def compose_program() -> tuple[str, ...]:
    """Return the command of Docker Compose 2; raises TrialError if there is none and no Go to make one."""
    installed = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)  # noqa: S607
    return ("docker", "compose") if installed.returncode == 0 else (str(_compiled()),)


def _compiled() -> Path:
    program = WORK / f"docker-compose-{VERSION}"
    if not program.exists():
        need("go", hint="install Go, or Docker Compose 2 as a plug-in of docker")
        module = WORK / "compose-module"
        module.mkdir(parents=True, exist_ok=True)
        (module / "tools.go").write_text(_TOOLS)
        if not (module / "go.mod").exists():
            run("go", "mod", "init", "trial", cwd=module)
        run("go", "get", f"{_PACKAGE}@{VERSION}", cwd=module)
        partial = program.with_name(f"{program.name}.partial")
        run("go", "build", "-o", partial, _PACKAGE, cwd=module)
        partial.rename(program)
    return program
