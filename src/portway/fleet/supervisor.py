"""Forks children, restarts those that end, reaps everything: the loop of the keeper and of the world's PID 1.

No threads and no event loop, so that fork is safe at any time. A child is a callable that runs in a fork of this
process; what it returns is its exit code. It dies with its parent, and what it says goes to its log.
"""

import io
import logging
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from portway.fleet import linux

log = logging.getLogger("portway.fleet")

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0
"""Seconds before a child that ended at once is started again: doubles from the first to the longest."""
_HEALTHY_SECONDS = 10.0
"""A child that ran this long starts again at once, its past forgotten."""


class Child(Struct):
    """One process to keep running."""

    name: str
    run: Callable[[], int]
    log: Path
    restart: bool = True
    pid: int = 0
    started: float = 0.0
    failures: int = 0
    due: float = 0.0
    """When to start it (again), by time.monotonic; meaningful while pid is 0."""


class Supervisor:
    """Keeps children running until told to end, by a signal, by a closed pipe, or by the end of a vital child."""

    def __init__(self, private: Sequence[int] = ()) -> None:
        """`private`: descriptors that are closed in every child."""
        self._children: dict[str, Child] = {}
        self._private = list(private)
        self._ended = ""
        self._wakeup, wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._private += [self._wakeup, wakeup]
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: object) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._ended = f"signal {signal.Signals(number).name}"

    def start(self, name: str, run: Callable[[], int], log: Path, restart: bool = True) -> Child:
        """Fork `run` now. When a child with `restart=False` ends, so does `watch`."""
        child = Child(name, run, log, restart)
        self._children[name] = child
        self._fork(child)
        return child

    def watch(self, lifeline: int | None = None) -> str:
        """Keep the children running; returns why it ended. `lifeline`: a pipe whose EOF means the end."""
        while not self._ended:
            self._reap()
            self._restart()
            self._sleep(lifeline)
        return self._ended

    def stop(self, patience: float) -> None:
        """End all children: SIGTERM, and SIGKILL for those that still run after `patience` seconds."""
        for child in self._children.values():
            child.restart, child.due = True, float("inf")
            self._signal(child, signal.SIGTERM)
        deadline = time.monotonic() + patience
        while self._running() and time.monotonic() < deadline:
            select.select([self._wakeup], [], [], max(0.0, deadline - time.monotonic()))
            self._drain()
            self._reap()
        for child in self._children.values():
            self._signal(child, signal.SIGKILL)
        while self._running():
            self._reap(os.WEXITED)

    def _running(self) -> list[Child]:
        return [child for child in self._children.values() if child.pid]

    def _signal(self, child: Child, number: int) -> None:
        if child.pid:
            os.kill(child.pid, number)

    def _fork(self, child: Child) -> None:
        parent = os.getpid()
        child.started = time.monotonic()
        child.pid = os.fork()
        if child.pid == 0:
            run_child(child.name, child.run, child.log, self._private, parent)

    def _reap(self, flags: int = os.WEXITED | os.WNOHANG) -> None:
        """Collect every process that ended, orphans too (PID 1 inherits them)."""
        while True:
            try:
                result = os.waitid(os.P_ALL, 0, flags)
            except ChildProcessError:
                return
            if result is None:
                return
            for child in self._children.values():
                if child.pid == result.si_pid:
                    self._ended_child(child, result.si_status)
            flags |= os.WNOHANG

    def _ended_child(self, child: Child, status: int) -> None:
        child.pid = 0
        if child.due == float("inf"):
            return
        log.warning("%s ended (%s)", child.name, status)
        if not child.restart:
            self._ended = self._ended or f"{child.name} ended"
            return
        child.failures = 0 if time.monotonic() - child.started > _HEALTHY_SECONDS else child.failures + 1
        delay = min(_FIRST_DELAY * 2 ** (child.failures - 1), _LONGEST_DELAY) if child.failures > 1 else 0.0
        child.due = time.monotonic() + delay

    def _restart(self) -> None:
        for child in self._children.values():
            if not child.pid and child.due <= time.monotonic():
                self._fork(child)

    def _sleep(self, lifeline: int | None) -> None:
        due = [child.due for child in self._children.values() if not child.pid]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        watched = [self._wakeup] if lifeline is None else [self._wakeup, lifeline]
        readable = select.select(watched, [], [], timeout)[0]
        self._drain()
        if lifeline in readable:
            self._ended = self._ended or _read_lifeline(lifeline)

    def _drain(self) -> None:
        try:
            while os.read(self._wakeup, 512):
                pass
        except BlockingIOError:
            pass


PARENT_GONE = "parent gone"
ORDERLY = b"q"
"""Written to a lifeline before it is closed: the other side cleans up. Without it, the reader must."""


def _read_lifeline(lifeline: int) -> str:
    return "told to end" if os.read(lifeline, 1) == ORDERLY else PARENT_GONE


def run_child(name: str, run: Callable[[], int], log_path: Path, private: Sequence[int], parent: int) -> None:
    """Be a child from the fork to the end of the process; never returns."""
    code = 1
    try:
        linux.die_with_parent()
        # The parent may have died before the line above. (Across a PID namespace getppid says 0.)
        if os.getppid() not in (parent, 0):
            os._exit(1)
        _forget_signals()
        for fd in private:
            os.close(fd)
        linux.name_process(name)
        redirect_output(log_path)
        code = run()
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _forget_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def redirect_output(path: Path) -> None:
    """Let stdout, stderr and logging go to the file `path`, and stdin come from nowhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(null, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdout, sys.stderr = _line_buffered(1), _line_buffered(2)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
        force=True,
    )


def _line_buffered(fd: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(os.fdopen(fd, "wb", closefd=False), "utf-8", "replace", line_buffering=True)
