"""A TCP proxy per server, through which the workers reach it: passes on, cuts, slows down or stalls."""

import asyncio
import threading
from collections.abc import Collection, Coroutine, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Literal, Self

from services.common.ports import LOOPBACK

Mode = Literal["pass", "cut", "slow", "stall"]
"""`cut` resets every connection, and each new one at once. `slow` delays every piece. `stall` accepts and passes on
nothing, as a host whose network is gone."""
_PIECE: Final = 65_536
_SLOW_SECONDS: Final = 0.15
_SLOW_BYTES_PER_SECOND: Final = 1_000_000
_POLL_SECONDS: Final = 0.05
_WAIT_SECONDS: Final = 10.0


class Proxy:
    """One listening port and the server behind it. Its methods are called from the loop of `Proxies`."""

    def __init__(self, port: int, target: int) -> None:
        """Listen on `port` of 127.0.0.1 for the server on `target`; both are TCP ports."""
        self._port, self._target = port, target
        self._mode: Mode = "pass"
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; raises OSError if the port is taken."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, self._port)

    async def stop(self) -> None:
        """Stop listening and cut everything."""
        if self._server is not None:
            self._server.close()
        self._cut()

    async def change(self, mode: Mode) -> None:
        """Treat all connections in this way from now on."""
        self._mode = mode
        if mode == "cut":
            self._cut()

    def _cut(self) -> None:
        _abort(self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._mode == "cut":
            writer.transport.abort()
            return
        try:
            behind, onwards = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, onwards}
        self._open |= ends
        try:
            await asyncio.gather(self._pump(reader, onwards, ends), self._pump(behind, writer, ends))
        finally:
            self._open -= ends
            _abort(ends)

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, ends: Collection[asyncio.StreamWriter]
    ) -> None:
        try:
            while data := await source.read(_PIECE):
                while self._mode == "stall":
                    await asyncio.sleep(_POLL_SECONDS)
                if self._mode == "slow":
                    await asyncio.sleep(_SLOW_SECONDS + len(data) / _SLOW_BYTES_PER_SECOND)
                target.write(data)
                await target.drain()
            target.write_eof()
        except OSError:
            _abort(ends)  # as the other end would see it without a proxy


def _abort(ends: Iterable[asyncio.StreamWriter]) -> None:
    for end in ends:
        end.transport.abort()


class Proxies:
    """The proxies of all servers, in a thread of their own. Its methods may be called from any thread."""

    def __init__(self, ports: dict[str, tuple[int, int]]) -> None:
        """Take the port to listen on and the port of the server, by the server's name."""
        self._proxies = {name: Proxy(*pair) for name, pair in ports.items()}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> Self:
        """Listen on every port."""
        self._thread.start()
        for proxy in self._proxies.values():
            self._run(proxy.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut everything and end the thread."""
        for proxy in self._proxies.values():
            self._run(proxy.stop())
        self._run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WAIT_SECONDS)
        self._loop.close()

    def change(self, server: str, mode: Mode) -> None:
        """Treat all connections to a server in this way from now on."""
        self._run(self._proxies[server].change(mode))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        future: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.result(_WAIT_SECONDS)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
