"""The process of one door: follows the API server, has an engine do what the table says, until told to end."""

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from aiohttp import web
from msgspec import Struct

from portway import strangers
from portway.accesslog.parties import Known
from portway.client import Api, Unreachable
from portway.folder import own_folder
from portway.gateway.engine import Door, Engine, Told
from portway.gateway.follow import Following
from portway.gateway.parties import Parties
from portway.gateway.records import record_of
from portway.gateway.tally import Tally
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Resource
from portway.routing.engines import EngineName, engine_for
from portway.routing.table import Pool, RouteTable

log = logging.getLogger(__name__)

_PODS = Resource("", "v1", "pods")
_TOGETHER = 0.02
"""Seconds: changes come together."""
_AGAIN = 2.0
"""Seconds until what was refused, or a port that was taken, is tried again."""
_WRITE = 0.2
"""Seconds between two writes of the access log."""
_MOST_LINES = 100_000
_LINGER = 5.0
"""Seconds after SIGTERM in which clients still come: it takes nodes a moment to learn that this pod goes."""
INGRESS_NAMESPACE = "portway-system"


class Lines(Protocol):
    """Where lines of the access log go."""

    def write(self, lines: bytes, count: int) -> int:
        """Whole lines; how many of them are lost."""

    def keep(self) -> None:
        """Nothing was left out up to now."""

    def close(self) -> None:
        """No more."""


class GatewayConfig(Struct, frozen=True, kw_only=True):
    """What the process is told."""

    door: str
    """`ingress`, or `gateway/NAMESPACE/NAME`."""
    engine: Literal["auto", "haproxy", "builtin"] = "auto"
    addresses: tuple[str, ...] = ("0.0.0.0", "::")
    healthz: tuple[str, int] = ("0.0.0.0", 10254)
    """Also /metrics; port 0: nowhere."""
    agents: Path | None = None
    """The folder with a socket NODE.sock of each node's agent, who knows whose addresses are; None: nobody does."""


def run(config: GatewayConfig, api: Callable[[], Api], lines: Lines | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then let what is under way end. Always 0. Raises OSError when it cannot begin."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(message)s")
    asyncio.run(_until_told(config, api, lines))
    return 0


def chosen(name: str) -> EngineName:
    """As `engine_for`, on this machine. Raises OSError when HAProxy must be installed and is not."""
    installed = shutil.which("haproxy") is not None
    if name == "haproxy" and not installed:
        raise FileNotFoundError("haproxy is not installed; --engine builtin needs nothing")
    return engine_for(name, installed=installed)


def engine_of(name: str) -> tuple[Engine, str]:
    """The engine and its name. Raises OSError as `chosen`."""
    if chosen(name) == "haproxy":
        from portway.gateway.haproxy import HaproxyEngine

        return HaproxyEngine(), "haproxy"
    from portway.gateway.router import BuiltinEngine

    return BuiltinEngine(), "builtin"


async def _until_told(config: GatewayConfig, api: Callable[[], Api], lines: Lines | None) -> None:
    running = asyncio.current_task()
    assert running is not None
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, running.cancel)
    loop.add_signal_handler(signal.SIGTERM, lambda: loop.call_later(_LINGER, running.cancel))
    with contextlib.suppress(asyncio.CancelledError):
        async with api() as connected:
            await serve(config, connected, lines)


async def serve(config: GatewayConfig, api: Api, lines: Lines | None = None, engine: Engine | None = None) -> None:
    """Serve for ever, in the caller's event loop; cancelled, let what is under way end. Raises OSError.

    `engine`: one of the caller's own, in place of the one that the configuration names.
    """
    engine, name = (engine, "own") if engine is not None else engine_of(config.engine)
    process = _Process(config, engine, Tally(name), lines)
    with own_folder("portway-gateway-") as folder:
        await engine.start(Door(config.door, folder, config.addresses), process.told)
        try:
            async with process.answering(), asyncio.TaskGroup() as group:
                following = Following(api)
                group.create_task(following.run())
                group.create_task(process.apply(following))
                group.create_task(process.write(api))
        finally:
            await engine.stop()
            process.flush()
            if lines is not None:
                lines.close()


def _addresses(waiting: Iterable[tuple[Told, object]]) -> Iterator[str]:
    for told, _ in waiting:
        yield told.client[0]
        if told.backend is not None:
            yield told.backend[0]


class _Process:
    """What its tasks share."""

    def __init__(self, config: GatewayConfig, engine: Engine, tally: Tally, lines: Lines | None) -> None:
        self._config, self._engine, self._tally, self._lines = config, engine, tally, lines
        self._table = RouteTable()
        self._ready = False
        self._node = socket.gethostname()
        self._waiting: list[tuple[Told, Mapping[str, Pool]]] = []
        self._encode = msgspec.json.Encoder().encode
        self._known: Mapping[str, Known] = {}

    def told(self, told: Told) -> None:
        """An engine's report."""
        self._tally.told(told)
        if self._lines is not None and len(self._waiting) < _MOST_LINES:
            self._waiting.append((told, self._table.pools))  # as they are now

    async def apply(self, following: Following) -> None:
        """Each table, as it comes; one that was refused is tried again now and then: ports may become free."""
        await following.seen()
        while True:
            self._table = following.table()
            applied = await self._engine.apply(self._table)
            if applied.reason and applied.reason != self._tally.problem:
                log.warning("%s: %s", self._config.door, applied.reason)
            if applied.how == "reload":
                log.info("%s: a new process has taken over", self._config.door)
            self._tally.took(applied)
            self._ready |= applied.how != "refused"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN if applied.reason else None):
                    await following.changed.wait()
            await asyncio.sleep(_TOGETHER)

    async def write(self, api: Api) -> None:
        """The access log, a piece at a time."""
        if self._lines is None:
            return
        self._node = await self._where(api)
        agents = self._config.agents
        parties = Parties(agents / f"{self._node}.sock") if agents else None
        try:
            while True:
                await asyncio.sleep(_WRITE)
                count = len(self._waiting)
                if parties is not None:
                    self._known = await parties.known(_addresses(self._waiting))
                self.flush(count)
        finally:
            if parties is not None:
                await parties.close()

    def flush(self, count: int = _MOST_LINES) -> None:
        """Write what waits; `count`: the first of it."""
        if self._lines is None:
            return
        ready, self._waiting = self._waiting[:count], self._waiting[count:]
        if ready:
            encoded = [self._encode(record_of(told, self._node, pools, self._known)) for told, pools in ready]
            self._lines.write(b"\n".join(encoded) + b"\n", len(encoded))
        else:
            self._lines.keep()

    async def _where(self, api: Api) -> str:
        """The node that this pod is on; the host's name when it is no pod."""
        words = self._config.door.split("/")
        namespace = words[1] if len(words) == 3 else INGRESS_NAMESPACE
        try:
            pod = await api.get(_PODS, namespace, socket.gethostname())
        except (ApiError, Unreachable):
            return socket.gethostname()
        return str((pod.get("spec") or {}).get("nodeName") or socket.gethostname())

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """/healthz (200 once a table is in force, so that a pod is ready when its door is) and /metrics."""
        host, port = self._config.healthz
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/metrics", self._metrics)
        runner = web.AppRunner(application, access_log=None, logger=strangers.log)
        await runner.setup()
        try:
            if port:
                await web.TCPSite(runner, host, port).start()
            yield
        finally:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self._ready else 503, text="ok\n" if self._ready else "no table yet\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._tally.exposition(), content_type="text/plain", charset="utf-8")
