"""The world: PID 1 of the fleet's own user, network, mount and PID namespace.

Two processes. The **gate** is the keeper's child: it leaves the host's namespaces, forks PID 1 and waits for it.
**PID 1** makes the wire and the nodes, forks what lives inside, restarts it, and reaps orphans. All of the world
ends with PID 1: the kernel kills every process of its PID namespace, and then nothing holds the other namespaces.

Who cleans up: whoever survives. The lifeline (a pipe whose other end only the keeper has) says `q` before an
orderly end; when it just closes, the keeper is dead and PID 1 removes the fleet's folder. The gate does not die
with the keeper, so that PID 1 has the time; PID 1 dies with the gate, whose death the keeper sees.
"""

import errno
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from portway import rights
from portway.fleet import dialer, etc, kubelet, linux, reports, supervisor, wiring
from portway.fleet.config import NodePlan
from portway.fleet.kubelet.gate import Gate
from portway.fleet.paths import FleetPaths
from portway.fleet.permission import why_forbidden
from portway.fleet.state import FleetState

log = logging.getLogger("portway.fleet.world")

Agent = Callable[[FleetPaths, NodePlan], int]
_DIALERS = ("NET_ADMIN", "NET_BIND_SERVICE")
"""Of root's rights: for routes, and for the API server's socket for pods."""
_AGENTS = ("NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE")
"""For rules and what the kernel tells of connections; for sockets of health checks."""


class World:
    """The life of gate and PID 1, in the order it happens."""

    def __init__(
        self,
        state: FleetState,
        agents: Mapping[str, Agent],
        gate: Callable[[], Gate] | None,
        *,
        lifeline: int,
        progress: int,
    ) -> None:
        """`agents`: what runs in every node, by name.

        `lifeline`: read end of the keeper's pipe. `progress`: told "unshared", then "wired", or the failure.
        """
        self._state, self._paths, self._agents, self._gate = state, state.paths, agents, gate
        self._lifeline, self._progress = lifeline, progress

    def run(self) -> int:
        """Be the gate; returns when the world has ended."""
        linux.die_with_parent(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try:
            _leave_host()
        except OSError as error:
            reports.send(self._progress, why_forbidden(error))
            return 1
        gate = os.getpid()
        pid = os.fork()
        if pid == 0:
            supervisor.run_child("portway-world", self._pid1, self._paths.log("world"), [], gate)
        self._paths.world_pid.write_text(f"{pid}\n")
        os.close(self._lifeline)
        os.close(self._progress)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def _pid1(self) -> int:
        children = supervisor.Supervisor(private=[self._lifeline, self._progress])
        try:
            _furnish(self._paths.folder)
            reports.send(self._progress, "unshared")
            wiring.make(self._state.config, self._state.nodes)
        except OSError as error:
            reports.send(self._progress, why_forbidden(error))
            return 1
        except subprocess.CalledProcessError as error:
            reports.send(self._progress, f"{' '.join(error.cmd)} failed: {error.stderr.strip()}")
            return 1
        self._populate(children)
        reports.send(self._progress, "wired")
        reason = children.watch(self._lifeline)
        log.info("world ends: %s", reason)
        if reason == supervisor.PARENT_GONE:
            children.stop(patience=0.5)
            _remove(self._paths.folder)
        return 0

    def _populate(self, children: supervisor.Supervisor) -> None:
        paths = self._paths
        dial = rights.keeping(_DIALERS, paths.folder, lambda: dialer.run(paths.dial_socket))
        children.start("dialer", _inside("outside", dial), paths.log("dialer"))
        for node in self._state.nodes:
            self._start_node(children, node)

    def _start_node(self, children: supervisor.Supervisor, node: NodePlan) -> None:
        paths, gate = self._paths, self._gate
        runs: dict[str, Callable[[], int]] = {name: partial(run, paths, node) for name, run in self._agents.items()}
        runs["agent"] = rights.keeping(_AGENTS, paths.folder, runs["agent"])
        runs["kubelet"] = partial(kubelet.run, paths, node, gate)
        for what, run in runs.items():
            name = f"{node.name}-{what}"
            children.start(name, _inside(node.name, run), paths.log(name))


def _leave_host() -> None:
    """New namespaces for what comes after; in a new user namespace, unless we may do without."""
    flags = linux.CLONE_NEWNET | linux.CLONE_NEWNS | linux.CLONE_NEWPID
    if linux.may_administer():
        linux.unshare(flags)
        return
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(flags | linux.CLONE_NEWUSER)
    # An unprivileged process may only map itself, and its group only once setgroups is off (man 7 user_namespaces).
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _furnish(folder: Path) -> None:
    """Private mounts, a /proc of this PID namespace, an empty /run for network namespaces."""
    machines = etc.machines()
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    _mount_proc()
    kept = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    linux.mount("portway", "/run", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755")
    if folder.is_relative_to("/run"):
        folder.mkdir(parents=True)
        linux.mount(f"/proc/self/fd/{kept}", str(folder), None, linux.MS_BIND)
    os.close(kept)
    etc.restore(machines)


def _mount_proc() -> None:
    try:
        linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    except OSError as error:
        # Inside some containers parts of /proc are masked, and the kernel allows no unmasked one.
        if error.errno != errno.EPERM:
            raise
        log.warning("no /proc of the fleet's own: %s", error)


def _inside(network: str, run: Callable[[], int]) -> Callable[[], int]:
    def inside() -> int:
        linux.join_network(wiring.path(network))
        return run()

    return inside


def _remove(folder: Path) -> None:
    """Remove the folder, also from under processes that are just being killed and may still write to it."""
    deadline = time.monotonic() + 10.0
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.005)
