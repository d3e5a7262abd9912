"""Start and stop one server. After a start it works, or an error gives the reason."""

import time

from deploy.local.errors import StackError, failure
from deploy.local.logs import mark_start, rotate
from deploy.local.servers.base import NotReady, Server
from deploy.local.task import Task

_POLL_S = 0.1
_HUNG_AFTER_S = 10.0


def start(server: Server, task: Task) -> bool:
    """Start the server unless it already works; return whether it was started.

    A server that runs but fails its check for 10 s is restarted.

    Raises:
        StackError: it cannot be prepared, died, or did not work within its deadline (then it is stopped).
        Cancelled: the user interrupted (then it is stopped, if this call started it).
    """
    if server.process.pid() is not None:
        if _works_within(server, task, _HUNG_AFTER_S):
            task.say("already running")
            return False
        task.say("running but not working, restarting")
    began = time.monotonic()
    for attempt in range(1, server.start_attempts + 1):
        if _try(server, task):
            task.say(f"ready in {time.monotonic() - began:.1f} s")
            return True
        if attempt < server.start_attempts:
            task.say("died while starting, retrying")
            task.pause(1.0)
    raise failure(server.name, f"{server.title} {server.process.exit_message()} while starting", server.log)


def _try(server: Server, task: Task) -> bool:
    """Start it once; return False if it died before it worked."""
    server.process.kill()
    server.folder.choose_ports(server.name, server.needed_ports, again=True)
    rotate(server.log)
    mark_start(server.log)
    launch = server.prepare(task)
    task.say("starting")
    try:
        server.process.spawn(launch, server.log, task.lock)
        if _works_within(server, task, server.ready_within_s):
            return True
        if server.process.pid() is not None:
            raise failure(server.name, _late(server), server.log)
    except BaseException:
        server.process.kill()
        raise
    return False


def _works_within(server: Server, task: Task, seconds: float) -> bool:
    """Wait until its check succeeds; return False if it died or the time is up."""
    deadline = time.monotonic() + seconds
    while server.process.pid() is not None and time.monotonic() < deadline:
        try:
            server.check()
        except NotReady:
            task.pause(_POLL_S)
        else:
            return True
    return False


def _late(server: Server) -> str:
    try:
        server.check()
    except NotReady as reason:
        return f"{server.title} did not work within {server.ready_within_s:.0f} s ({reason})"
    return f"{server.title} worked only after {server.ready_within_s:.0f} s"


def stop(server: Server) -> None:
    """Stop the server, running or not.

    Raises:
        StackError: one of its processes cannot be killed.
    """
    try:
        server.process.stop(server.stop_signal, server.grace_s)
    except TimeoutError as error:
        raise StackError(server.name, str(error), "restart the machine") from error
    server.clean_up()
