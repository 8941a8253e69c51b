"""The fleet's parent process: opens the API's sockets, forks the world, the API server, controllers and relay.

It is a daemon in its own session. It ends on SIGTERM, or when the world ends, and leaves nothing behind.
"""

import contextlib
import gc
import importlib
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from portway import rights
from portway.fleet import dnssocket, linux, relay, reports, supervisor, world
from portway.fleet import state as fleet_state
from portway.fleet.config import DNS_LOOPBACK, FleetConfig, NodePlan, validate
from portway.fleet.errors import FleetError
from portway.fleet.kubelet.gate import Gate
from portway.fleet.paths import FleetPaths, fleet_paths
from portway.fleet.state import FleetState

_STOP_SECONDS = 10.0
"""How long `stop` waits before it kills the keeper."""


class Programs(Struct, frozen=True, kw_only=True):
    """What the fleet's processes run; each returns an exit code. Given by `cli`: fleet knows no room of its rank."""

    apiserver: Callable[[FleetPaths, socket.socket, socket.socket], int]
    """(paths, HTTPS listening socket on 127.0.0.1, listening Unix socket)."""
    controllers: Callable[[FleetPaths], int]
    agent: Callable[[FleetPaths, NodePlan], int]
    """Runs inside the node's network namespace."""
    announcer: Callable[[FleetPaths, NodePlan], int] | None = None
    """The same; answers for the addresses of LoadBalancer Services."""
    nameserver: Callable[[FleetPaths, Sequence[socket.socket]], int] | None = None
    """(paths, bound sockets of the host for DNS: UDP and listening TCP)."""
    gate: Callable[[], Gate] | None = None
    """Made by each kubelet in the same place: when pods may start. None: at once."""

    @property
    def in_nodes(self) -> dict[str, Callable[[FleetPaths, NodePlan], int]]:
        """What every node runs besides its kubelet, by name."""
        return {"agent": self.agent} | ({"announcer": self.announcer} if self.announcer else {})


class Fleet:
    """A fleet that was just started."""

    def __init__(self, state: FleetState, pipe: int) -> None:
        self.state = state
        self._pipe = pipe

    def wired(self) -> None:
        """Return when nodes and links exist; FleetError with the reason when they could not be made."""
        if self._pipe < 0:
            return
        pipe, self._pipe = self._pipe, -1
        try:
            reports.expect(pipe, "wired")
        finally:
            os.close(pipe)


def start(config: FleetConfig, programs: Programs) -> Fleet:
    """Start a fleet as a daemon; returns once its keeper runs and the world's namespaces exist.

    Forks the calling process, which must be single-threaded and should have imported whatever `programs` need.
    FleetError: bad configuration, a fleet of that name runs already, or the system forbids namespaces.
    """
    validate(config)
    config = _supported(config)
    paths = fleet_paths(config.name)
    _claim(paths)
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        _daemon(lambda: _Keeper(config, programs, paths, writing).run(), paths, keep=writing)
        os.close(writing)
        reports.expect(reading, "running")
        return Fleet(fleet_state.find(config.name), reading)
    except BaseException:
        os.close(reading)
        shutil.rmtree(paths.folder, ignore_errors=True)
        raise


def _supported(config: FleetConfig) -> FleetConfig:
    """Without IPv6 in the kernel, the fleet does without too (unless IPv6 is all that was asked for)."""
    if Path("/proc/sys/net/ipv6").is_dir():
        return config
    return replace(
        config,
        service_cidrs=tuple(cidr for cidr in config.service_cidrs if ":" not in cidr) or config.service_cidrs,
        pod_cidrs=tuple(cidr for cidr in config.pod_cidrs if ":" not in cidr) or config.pod_cidrs,
    )


def _claim(paths: FleetPaths) -> None:
    """Make the fleet's folder: who makes it, has the name."""
    paths.folder.parent.mkdir(parents=True, exist_ok=True)
    if fleet_state.read(paths.folder) is not None:
        raise FleetError(f'fleet "{paths.folder.name}" is running already')
    try:
        paths.folder.mkdir(mode=0o700)
    except FileExistsError:
        raise FleetError(f'fleet "{paths.folder.name}" is just being started or ended; try again') from None
    except OSError as error:
        raise FleetError(f"cannot make {paths.folder}: {error.strerror}; PORTWAY_STATE names another place") from None
    paths.log("keeper").parent.mkdir()
    paths.pki.mkdir(mode=0o700)


def _daemon(run: Callable[[], int], paths: FleetPaths, keep: int) -> None:
    """Fork `run` into a session of its own, whose parent is init, so that it never is anybody's zombie.

    Of the caller's descriptors only `keep` goes along: a pipe somebody reads to its end must not stay open.
    """
    _import_lazy_parts()
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            os.chdir("/")
            os.umask(0o077)
            linux.name_process("portway-keeper")
            supervisor.redirect_output(paths.log("keeper"))
            os.closerange(3, keep)
            os.closerange(keep + 1, _open_files())
            run()
    except BaseException:
        reports.send(keep, traceback.format_exc())
    finally:
        os._exit(0)


class _Keeper:
    """The keeper's life, in the order it happens."""

    def __init__(self, config: FleetConfig, programs: Programs, paths: FleetPaths, pipe: int) -> None:
        self._config, self._programs, self._paths, self._pipe = config, programs, paths, pipe

    def run(self) -> int:
        https = _listen_https()
        unix = _listen_unix(self._paths.api_socket)
        others = {other.loopback for other in fleet_state.fleets()}
        loopback, claim = fleet_state.claimed_loopback(self._config.name, others)
        names = _listen_dns(f"{loopback}.{DNS_LOOPBACK}") if self._programs.nameserver else []
        state = self._describe(https, loopback, names)
        world_end, lifeline = os.pipe2(os.O_CLOEXEC)
        children = supervisor.Supervisor(private=[lifeline, self._pipe, claim.fileno()])
        programs, paths = self._programs, self._paths
        progress, telling = os.pipe2(os.O_CLOEXEC)
        new = world.World(state, programs.in_nodes, programs.gate, lifeline=world_end, progress=telling)
        children.start("world", new.run, paths.log("world"), restart=False)
        os.close(telling)
        os.close(world_end)
        try:
            reports.expect(progress, "unshared")
            fleet_state.write(state)
            reports.send(self._pipe, "running")
            self._start(children, "apiserver", lambda: programs.apiserver(paths, https, unix))
            self._start(children, "controllers", lambda: programs.controllers(paths))
            if (nameserver := programs.nameserver) is not None:
                self._start(children, "nameserver", lambda: nameserver(paths, names))
            self._start(children, "relay", lambda: relay.run(paths, state.nodes), "NET_BIND_SERVICE")
            reports.expect(progress, "wired")
            reports.send(self._pipe, "wired")
            print(f"keeper ends: {children.watch()}", file=sys.stderr)
        except FleetError as error:
            reports.send(self._pipe, str(error))
        self._end(children, lifeline)
        return 0

    def _start(self, children: supervisor.Supervisor, name: str, run: Callable[[], int], *needed: str) -> None:
        """On the host network, so with as little of root's rights as may be."""
        children.start(name, rights.keeping(needed, self._paths.folder, run), self._paths.log(name))

    def _describe(self, https: socket.socket, loopback: str, names: Sequence[socket.socket]) -> FleetState:
        return FleetState(
            config=self._config,
            keeper_pid=os.getpid(),
            keeper_start=fleet_state.process_start(os.getpid()),
            keeper_space=fleet_state.pid_space(),
            api_url=f"https://127.0.0.1:{https.getsockname()[1]}",
            loopback=loopback,
            dns="{}:{}".format(*names[0].getsockname()) if names else "",
            started=time.time(),
        )

    def _end(self, children: supervisor.Supervisor, lifeline: int) -> None:
        """The world ends by its lifeline, the others by signal; the folder goes last."""
        with contextlib.suppress(BrokenPipeError):
            os.write(lifeline, supervisor.ORDERLY)
        os.close(lifeline)
        children.stop(patience=3.0)
        shutil.rmtree(self._paths.folder, ignore_errors=True)


def _import_lazy_parts() -> None:
    """What is imported with its first use is imported once here, not in every fork."""
    for name in ("aiohttp", "concurrent.futures.thread"):
        importlib.import_module(name)


def _open_files() -> int:
    """One above the highest open descriptor."""
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir()) + 1


def _listen_https() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def _listen_unix(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(1024)
    return listening


def _listen_dns(address: str) -> list[socket.socket]:
    """The host's sockets for DNS; none when there can be none."""
    try:
        return dnssocket.on_host(address)
    except OSError as error:
        print(f"no DNS at {address}: {error}", file=sys.stderr)
        return []


def stop(name: str) -> None:
    """End a fleet and wait until nothing of it is left; FleetError when no such fleet runs."""
    state = fleet_state.find(name)
    if state.keeper_space != fleet_state.pid_space():
        raise FleetError(f'fleet "{name}" can only be stopped from where it was started (another PID namespace)')
    try:
        pidfd = os.pidfd_open(state.keeper_pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        if not _ended(pidfd, _STOP_SECONDS):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            _ended(pidfd, 1.0)
            _wait_gone(state.paths.folder)
    except ProcessLookupError:
        pass
    finally:
        os.close(pidfd)


def _ended(pidfd: int, seconds: float) -> bool:
    return bool(select.select([pidfd], [], [], seconds)[0])


def _wait_gone(folder: Path) -> None:
    """A killed keeper's folder is removed by the world."""
    deadline = time.monotonic() + 2.0
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=True)
