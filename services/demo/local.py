"""One run of the demo on the local stack, whose servers are afterwards running or stopped as before."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.common.topology import PIPELINE
from services.demo.cohort import rendering
from services.demo.progress import DemoProgress
from services.demo.run import DemoOptions, send_rendered
from services.demo.sending import DemoResult
from services.operations.processes import Processes
from services.operations.provisioning import prepare


@contextmanager
def local_servers(
    folder: Path, on_progress: Callable[[str, str], None], *, keep: bool = False
) -> Iterator[dict[str, str]]:
    """Start the servers that do not run and yield the XRAY_ variables; stop those at the end, unless `keep`.

    `on_progress` receives a server's name and a message. If no server ran before, the servers also stop when this
    process is killed.
    """
    before = {server.name for server in Stack(folder).status() if server.state != "stopped"}
    stack = Stack(folder, tied=not keep and not before)
    try:
        stack.up(progress=on_progress)
        yield stack.environment()
    finally:
        if not keep and not before:
            stack.down(progress=on_progress)
        elif not keep:
            for name in sorted(set(stack.servers) - before):
                stack.stop(name)


def run_on_local_stack(options: DemoOptions, stack: Path, progress: DemoProgress, *, keep: bool = False) -> DemoResult:
    """Start the servers in the folder `stack` and the services of the pipeline, then send the cohort.

    With `keep`, the servers keep running afterwards.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    with rendering(options.folder / "cohort", options.cohort) as cohort:
        progress.say("Starting Kafka, SeaweedFS (S3), Triton and PostgreSQL while the mice are rendered")
        with local_servers(stack, progress.server, keep=keep) as environment:
            settings = settings_of(environment)
            with progress.part("topics, bucket and tables"):
                list(prepare(settings))
            with Processes(PIPELINE, environment, options.folder / "logs") as services:
                with progress.part("pipeline services started"):
                    services.wait_ready()
                return send_rendered(options, cohort, settings, progress, services.restart_crashed)
