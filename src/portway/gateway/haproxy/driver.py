"""The engine: files, the process, and what the runtime API is told."""

import asyncio
import logging
import os
import socket
import ssl
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from portway.gateway.engine import Applied, Door, Report
from portway.gateway.haproxy import runtime
from portway.gateway.haproxy.escort import Escorts
from portway.gateway.haproxy.identity import unprivileged
from portway.gateway.haproxy.log import LogSocket
from portway.gateway.haproxy.process import Process
from portway.routing.door import of_door
from portway.routing.haproxy import Rendered, config_text, map_text, plan, ran, render
from portway.routing.haproxy.config import with_endpoints_of
from portway.routing.haproxy.handover import told_last
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.plan import Plan, Server, replacement
from portway.routing.haproxy.upstreams import escorts
from portway.routing.table import RouteTable

log = logging.getLogger(__name__)

_CLEAN_SECONDS = 5.0
"""Between two tries to delete servers that are in maintenance but still have connections."""
_PAUSES = (0.05, 0.5, 2.0, 5.0)
"""Before HAProxy is started again, when it dies again and again."""
_STABLE = 60.0
"""Seconds after which its next death is the first one again."""


class HaproxyEngine:
    """One door."""

    def __init__(self) -> None:
        self._table = RouteTable()
        self._rendered: Rendered | None = None
        """Of the table."""
        self._running: Rendered | None = None
        """What HAProxy has: that, and sections that nothing leads to any more."""
        self._leaving: dict[str, Server] = {}
        """In maintenance, to be deleted when their connections have ended."""
        self._lock = asyncio.Lock()
        self._cleaning: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping = False

    async def start(self, door: Door, report: Report) -> None:
        """Raises OSError when the folder cannot be used."""
        self.door = door
        door.folder.chmod(0o700)
        (door.folder / "certs").mkdir(mode=0o700, exist_ok=True)
        addresses = tuple(a for a in door.addresses if not _taken(a, 0)) or door.addresses
        trusted = ssl.get_default_verify_paths().cafile or "@system-ca"
        self._place = Place(str(door.folder), addresses, *unprivileged(), trusted)
        sockets = Path(self._place.sockets)
        sockets.mkdir(exist_ok=True)
        sockets.chmod(0o711)  # whoever workers become may pass, and list or make nothing
        self._process = Process(door.folder)
        self._escorts = Escorts(door.timings.connect, self._place.user)
        self._log = LogSocket(report, self._escorts.has_failed)
        await self._log.open(sockets / "log.sock", self._place.user)
        self._cleaning = asyncio.get_running_loop().create_task(self._clean_up())

    async def apply(self, table: RouteTable) -> Applied:
        """By the runtime API if that is enough."""
        async with self._lock:
            mine, complaint = self._possible(of_door(table, self.door.name))
            if mine == self._table and (self._running is not None or not mine.listeners):
                return Applied("nothing", reason=complaint)
            if not mine.listeners:
                return await self._rest(mine, complaint)
            try:
                new = self._render(mine)
                escorted = escorts(new.servers, new.speeches)
                await self._escorts.open(escorted, mine.certificates)
                applied = await self._become(new)
                if applied.how != "refused":
                    self._escorts.only(escorted)
            except (OSError, ValueError) as error:
                return Applied("refused", reason=_one_line(error))
            if applied.how != "refused":
                self._table, self._rendered = mine, new
            return replace(applied, reason=applied.reason or complaint)

    async def stop(self) -> None:
        """Let what is under way end."""
        self._stopping = True
        for task in (self._cleaning, self._watching):
            if task is not None:
                task.cancel()
        await self._end()
        self._escorts.close()
        self._log.close()

    async def _rest(self, table: RouteTable, complaint: str) -> Applied:
        """Without a port there is nothing to run."""
        self._table, self._rendered, self._running = table, None, None
        self._leaving.clear()
        await self._end()
        self._escorts.only({})
        return Applied("reload", reason=complaint)

    async def _end(self) -> None:
        await self._process.tell_all(told_last(str(self.door.folder)))
        await self._process.stop(self.door.timings.drain + 1.0)

    def _render(self, table: RouteTable) -> Rendered:
        again = with_endpoints_of(self._rendered, self._table, table) if self._rendered is not None else None
        return again or render(table, self._place, self.door.timings)

    def _possible(self, table: RouteTable) -> tuple[RouteTable, str]:
        """Without the ports that others have: HAProxy would take none at all."""
        mine = {listener.port for listener in self._table.listeners}
        taken = {}
        for port in {listener.port for listener in table.listeners} - mine:
            for address in self._place.addresses:
                if reason := _taken(address, port):
                    taken[port] = reason
        listeners = tuple(listener for listener in table.listeners if listener.port not in taken)
        complaint = "; ".join(f"port {port}: {reason}" for port, reason in sorted(taken.items()))
        return (replace(table, listeners=listeners) if taken else table), complaint

    async def _become(self, new: Rendered) -> Applied:
        self._log.learn(new)
        old = self._running
        steps = plan(old, new, self._place) if old is not None and self._process.alive else None
        if old is not None and steps is not None:
            try:
                await self._tell(steps, new)
                self._running = ran(old, new)
                return Applied("runtime", steps.size()) if steps.size() else Applied("nothing")
            except OSError as error:
                log.warning("HAProxy's runtime API: %s; reloading", _one_line(error))
        return await self._reload(old, new)

    async def _tell(self, steps: Plan, new: Rendered) -> None:
        commands: list[str] = []
        for server in steps.come:
            if self._leaving.pop(server.name, None) is None:
                commands.append(server.add)
            commands.append(f"set server {server.name} state ready")
        commands += [*steps.certificates, *steps.maps]
        await runtime.do(self._process.worker_socket, commands)
        for name in steps.replaced:
            await self._replace(name, new)
        gone = [f"set server {one.name} state maint" for one in steps.go]
        await runtime.do(self._process.worker_socket, [*steps.drops, *gone, *steps.withdrawn])
        self._leaving |= {server.name: server for server in steps.go}

    async def _replace(self, name: str, new: Rendered) -> None:
        file = self._place.map(name)
        prepared = (await runtime.ask(self._process.worker_socket, [f"prepare map {file}"]))[0]
        version = prepared.rpartition(" ")[2]
        fill = [*replacement(new.maps[name], file, version), f"commit map @{version} {file}"]
        await runtime.do(self._process.worker_socket, fill)

    async def _reload(self, old: Rendered | None, new: Rendered) -> Applied:
        self._write(new)
        if complaint := await self._process.check():
            if old is not None:
                self._write(old)
            return Applied("refused", reason=complaint)
        if not (self._process.alive and await self._process.reload()):
            await self._process.start()
            if self._watching is None or self._watching.done():
                self._watching = asyncio.get_running_loop().create_task(self._watch())
        self._leaving.clear()
        self._running = new
        return Applied("reload")

    async def _watch(self) -> None:
        """Start it again when it dies, as the table of the moment has it."""
        pauses, now = iter(_PAUSES), asyncio.get_running_loop().time
        while True:
            began = now()
            said = await self._process.ended()
            if self._stopping or self._running is None:
                return
            if now() - began > _STABLE:
                pauses = iter(_PAUSES)
            log.error("HAProxy died (%s) and is started again", said or "it said nothing")
            await asyncio.sleep(next(pauses, _PAUSES[-1]))
            async with self._lock:
                if self._running is None:
                    return
                if self._process.alive:  # a table came first
                    continue
                self._running = render(self._table, self._place, self.door.timings)
                self._write(self._running)
                self._leaving.clear()
                with suppress(OSError):
                    await self._process.start()

    async def _clean_up(self) -> None:
        """Delete servers that are left; those with connections refuse, and are asked again."""
        while True:
            await asyncio.sleep(_CLEAN_SECONDS)
            async with self._lock:
                with suppress(OSError):
                    await self._delete(list(self._leaving))

    async def _delete(self, names: list[str]) -> None:
        answers = await runtime.ask(self._process.worker_socket, [f"del server {name}" for name in names])
        for name, answer in zip(names, answers, strict=True):
            if answer.startswith("Server deleted"):
                self._leaving.pop(name, None)

    def _write(self, rendered: Rendered) -> None:
        folder = self.door.folder
        for name, entries in rendered.maps.items():
            _put(folder / f"{name}.map", map_text(entries))
        secrets = {**rendered.certificates, **rendered.authorities}
        for name, text in {**secrets, **rendered.lists}.items():
            _put(folder / name, text)
        for path in (folder / "certs").iterdir():
            if f"certs/{path.name}" not in secrets:
                path.unlink()
        _put(self._process.config, config_text(rendered))


def _put(path: Path, text: str) -> None:
    """All of it or nothing, for our eyes only."""
    draft = path.with_name(f".{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _taken(address: str, port: int) -> str:
    """Why it cannot be bound; port 0: whether the address is here at all."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            trial.bind((address, port))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
