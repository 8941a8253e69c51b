"""A container run as a process: started, watched, started again as its pod's restartPolicy says, with back-off."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from portway.fleet.kubelet import environment, probe
from portway.fleet.kubelet.process import CannotRun, Log, Process, Space
from portway.fleet.kubelet.status import ContainerState, waiting
from portway.kubeapi.errors import Doc


class Pauses(Struct, frozen=True):
    """Seconds between restarts (pkg/kubelet: 10 s doubling to 5 min, forgotten after 10 min of running)."""

    first: float = 10.0
    longest: float = 300.0
    healthy: float = 600.0

    def after(self, pause: float | None, ran: float) -> float:
        """The next pause; `pause` is the last one, None before the first restart, which is at once."""
        if pause is None or ran > self.healthy:
            return 0.0
        return min(max(self.first, pause * 2), self.longest)


KUBELET_PAUSES = Pauses()


class Room(Struct):
    """What a pod gives its containers."""

    pod: Doc
    space: Callable[[Doc, Mapping[str, str]], Awaitable[Space]]
    """Where a container's programs run, given their environment. Raises environment.Missing."""
    place: environment.Place
    log: Callable[[str], Log]
    """By container name."""
    sources: Callable[[set[tuple[str, str]]], Awaitable[environment.Sources]]
    """Fetches ConfigMaps and Secrets."""
    changed: Callable[[], None]
    """Some container's state is another now."""
    event: Callable[[str, str, str], None]
    """(type, reason, message)."""
    now: Callable[[], str]
    """RFC 3339."""


class ProcessContainer:
    """One container that runs as a process."""

    def __init__(self, spec: Doc, room: Room, restarts: int = 0, pauses: Pauses = KUBELET_PAUSES) -> None:
        self.state = ContainerState(
            name=spec["name"],
            image=spec.get("image") or "",
            state=waiting("ContainerCreating"),
            restarts=restarts,
            identity=f"portway://{room.pod['metadata'].get('uid', '')}/{spec['name']}",
        )
        self._spec, self._room, self._pauses = spec, room, pauses
        self._process: Process | None = None
        self._log: Log | None = None

    async def run(self) -> None:
        """Run it, again and again, until its restartPolicy says enough."""
        pause: float | None = None
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            code = await self._once()
            if not self._again(code):
                return
            pause = self._pauses.after(pause, clock() - began)
            if pause:
                self._back_off(pause)
                await asyncio.sleep(pause)
            self.state.restarts += 1

    def _again(self, code: int) -> bool:
        policy = (self._room.pod.get("spec") or {}).get("restartPolicy", "Always")
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _once(self) -> int:
        """One run; 128 when it could not be started."""
        started = self._room.now()
        try:
            self._process = await self._start()
        except environment.Missing as missing:
            return self._could_not("CreateContainerConfigError", str(missing), started)
        except CannotRun as failure:
            message = f"failed to start container process: {failure}"
            return self._could_not("RunContainerError", message, started)
        self._is({"running": {"startedAt": started}}, ready=not self._spec.get("readinessProbe"))
        async with _background(self._probe()):
            code = await self._process.wait()
        self._process = None
        self._is({"terminated": self._ending(code, started)}, ready=False)
        return code

    async def _start(self) -> Process:
        variables = await variables_of(self._spec, self._room)
        argv = [
            environment.expand(word, variables)
            for word in [*(self._spec.get("command") or []), *(self._spec.get("args") or [])]
        ]
        if self._log is None:
            self._log = self._room.log(self.state.name)
        folder = self._spec.get("workingDir") or "/"
        space = await self._room.space(self._spec, variables)
        return await Process.start(space, argv, variables, folder, self._log)

    def _could_not(self, reason: str, message: str, started: str) -> int:
        self._room.event("Warning", "Failed", f"Error: {message}")
        self.state.last = {"terminated": self._ending(128, started) | {"reason": "StartError", "message": message}}
        if self._again(128):
            self._is(waiting(reason, message), ready=False)
        else:
            self._is(self.state.last, ready=False)
        return 128

    def _ending(self, code: int, started: str) -> Doc:
        ending: Doc = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": started,
            "finishedAt": self._room.now(),
            "containerID": self.state.identity,
        }
        return ending

    def _back_off(self, pause: float) -> None:
        metadata = self._room.pod["metadata"]
        pod = f"{metadata['name']}_{metadata.get('namespace', '')}({metadata.get('uid', '')})"
        message = f"back-off {_duration(pause)} restarting failed container={self.state.name} pod={pod}"
        self._room.event("Warning", "BackOff", f"Back-off restarting failed container {self.state.name} in pod {pod}")
        if "terminated" in self.state.state:
            self._is(waiting("CrashLoopBackOff", message), ready=False)

    def _is(self, state: Doc, ready: bool) -> None:
        if "terminated" in self.state.state:
            self.state.last = self.state.state
        self.state.state, self.state.ready = state, ready
        self._room.changed()

    async def _probe(self) -> None:
        wanted = self._spec.get("readinessProbe")
        if wanted:
            ip = self._room.place.pod_ips[0]
            run = partial(execute, self._spec, self._room)
            await probe.watch_readiness(wanted, self._spec.get("ports") or [], ip, run, self._tell)

    def _tell(self, ready: bool, why: str) -> None:
        if why:
            self._room.event("Warning", "Unhealthy", why)
        if self.state.ready != ready:
            self.state.ready = ready
            self._room.changed()

    async def stop(self, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds. The task of `run` must have been cancelled."""
        if self._process is not None:
            process, self._process = self._process, None
            process.signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
            ending = asyncio.ensure_future(process.wait())
            await asyncio.wait([ending], timeout=grace)
            process.signal(signal.SIGKILL)
            await ending
        if self._log is not None:
            self._log.close()


class PlayedContainer:
    """A container whose servers the kubelet plays itself: it runs, and is ready when its probe says so."""

    def __init__(self, spec: Doc, room: Room, state: ContainerState) -> None:
        self.state, self._spec, self._room = state, spec, room
        state.ready = False

    async def run(self) -> None:
        """Probe until cancelled."""
        run, ip = partial(execute, self._spec, self._room), self._room.place.pod_ips[0]
        ports = self._spec.get("ports") or []
        await probe.watch_readiness(self._spec["readinessProbe"], ports, ip, run, self._tell)

    def _tell(self, ready: bool, why: str) -> None:
        if why:
            self._room.event("Warning", "Unhealthy", why)
        self.state.ready = ready
        self._room.changed()


async def execute(spec: Doc, room: Room, command: Sequence[str]) -> int:
    """An exec probe's command in that container: its exit code; its output is nobody's. Raises probe.Failed."""
    log = Log(Path(os.devnull))
    try:
        variables = await variables_of(spec, room)
        process = await Process.start(await room.space(spec, variables), command, variables, "/", log)
    except (CannotRun, environment.Missing) as failure:
        raise probe.Failed(str(failure)) from failure
    try:
        return await process.wait()
    except asyncio.CancelledError:
        process.signal(signal.SIGKILL)
        await asyncio.shield(process.wait())
        raise
    finally:
        log.close()


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def variables_of(spec: Doc, room: Room) -> dict[str, str]:
    """The environment of a container's programs. Raises environment.Missing."""
    sources = await room.sources(environment.references(spec))
    return (
        _basic_variables()
        | {"HOSTNAME": room.place.hostname}
        | environment.environment(room.pod, spec, room.place, sources)
    )


def _basic_variables() -> dict[str, str]:
    """What every process of this machine may rely on."""
    path = os.environ.get("PATH") or "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TERM") if name in os.environ}
    return kept | {"PATH": path}


def _duration(seconds: float) -> str:
    """As Go prints it: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
