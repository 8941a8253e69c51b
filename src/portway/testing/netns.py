"""Network namespaces for tests: as root, or as an ordinary user inside a user namespace of one's own.

A **World** owns namespaces and ends them all when it is left. A **Namespace** runs Python functions and commands
inside; a process of ours keeps it open. Nothing is mounted and nothing of the host's network is touched.
"""

import ctypes
import os
import pickle
import signal
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_SET_DEATH_SIGNAL = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """No namespaces can be made here, and why."""


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}")


class Namespace:
    """One network namespace, kept open by a process that sleeps in it."""

    def __init__(self, name: str, pid: int, user: bool) -> None:
        self.name = name
        self.pid = pid
        self._user = user

    def enter(self) -> None:
        """Move this process (which has one thread) inside, for good."""
        for kind in ("user", "net") if self._user else ("net",):
            with open(f"/proc/{self.pid}/ns/{kind}") as place:
                _call(_libc.setns, place.fileno(), 0)

    def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result, computed by a child of this process inside. Its exceptions come out."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            self._answer(writing, function, arguments)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        if not answer:
            raise RuntimeError(f"{function.__name__} died in namespace {self.name}")
        ok, value = pickle.loads(answer)
        if not ok:
            raise value
        return value  # type: ignore[no-any-return]

    def _answer(self, writing: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        try:
            self.enter()
            answer = pickle.dumps((True, function(*arguments)))
        except BaseException as error:
            answer = pickle.dumps((False, error))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)

    def spawn(self, function: Callable[..., object], *arguments: Any) -> int:
        """Run the function in a child inside; returns the child's process id. It ends with this process."""
        child = os.fork()
        if not child:
            _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
            try:
                self.enter()
                function(*arguments)
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        return child

    def command(self, *command: str, text: str | None = None) -> str:
        """Run a command inside; its standard output. Raises CalledProcessError with what it complained of."""
        return self.run(_command, command, text)

    def write(self, path: str, value: str) -> None:
        """Write a file, e.g. a sysctl under /proc/sys/net, from inside."""
        self.run(Path(path).write_text, value)


def _command(command: tuple[str, ...], text: str | None) -> str:
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class World:
    """Namespaces that end together. `user` None: a user namespace only when there is need of one."""

    def __init__(self, user: bool | None = None) -> None:
        self.user = os.geteuid() != 0 if user is None else user
        self.namespaces: dict[str, Namespace] = {}
        self._processes: list[int] = []

    def __enter__(self) -> "World":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self._processes:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._processes.clear()

    def namespace(self, name: str) -> Namespace:
        """A new one, with loopback up. Raises Unavailable."""
        first = next(iter(self.namespaces.values()), None)
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(reading)
            self._hold(first, writing)
        os.close(writing)
        self._processes.append(pid)
        with os.fdopen(reading) as pipe:
            complaint = pipe.readline().strip()
        if complaint != "ready":
            raise Unavailable(complaint)
        made = self.namespaces[name] = Namespace(name, pid, self.user)
        made.command("ip", "link", "set", "lo", "up")
        return made

    def _hold(self, first: Namespace | None, writing: int) -> None:
        """The life of a child that keeps a namespace open."""
        _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)
        try:
            self._begin(first)
            os.write(writing, b"ready\n")
        except OSError as error:
            os.write(writing, f"{error}\n".encode())
            os._exit(1)
        os.close(writing)
        while True:
            signal.pause()

    def _begin(self, first: Namespace | None) -> None:
        if not self.user:
            _call(_libc.unshare, _NEWNET)
        elif first:
            first.enter()
            _call(_libc.unshare, _NEWNET)
        else:
            uid, gid = os.geteuid(), os.getegid()
            _call(_libc.unshare, _NEWUSER | _NEWNET)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
            Path("/proc/self/gid_map").write_text(f"0 {gid} 1")

    def connect(self, one: Namespace, interface: str, other: Namespace, other_interface: str) -> None:
        """A veth between two of them, both ends up."""
        one.command(
            *f"ip link add {interface} type veth peer name {other_interface} netns {other.pid}".split(),
        )
        one.command("ip", "link", "set", interface, "up")
        other.command("ip", "link", "set", other_interface, "up")

    def spawn(self, namespace: Namespace, function: Callable[..., object], *arguments: Any) -> int:
        """Like Namespace.spawn, and ended with the world."""
        pid = namespace.spawn(function, *arguments)
        self._processes.append(pid)
        return pid

    def end(self, pid: int) -> None:
        """kill -9 one of the spawned."""
        os.kill(pid, signal.SIGKILL)
        self.wait(pid)

    def wait(self, pid: int) -> int:
        """Until one of the spawned has ended; its exit code, negative for a signal."""
        _, status = os.waitpid(pid, 0)
        self._processes.remove(pid)
        return os.waitstatus_to_exitcode(status)
