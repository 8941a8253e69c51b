"""Run a command inside a fleet: `portway exec`."""

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from portway.fleet import etc, linux, wiring
from portway.fleet.errors import FleetError
from portway.fleet.state import FleetState

_NOT_FOUND, _NOT_RUNNABLE = 127, 126
"""The shell's exit codes (POSIX 2.8.2)."""


def enter(state: FleetState, place: str, argv: Sequence[str]) -> int:
    """Run `argv` at `place` ("outside", "node-K" or "pod:UID") and return its exit code (128+N for signal N).

    Forks; the caller must be single-threaded. The command has this process's terminal, files and environment.
    FleetError: no such place, or the fleet is gone.
    """
    with _ignoring(signal.SIGINT, signal.SIGQUIT):
        sys.stdout.flush()
        sys.stderr.flush()
        reading, writing = os.pipe2(os.O_CLOEXEC)
        # A process of its own: setns for PID namespaces only counts for children, and the caller stays outside.
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _go(state, place, argv, writing)
        os.close(writing)
        with os.fdopen(reading) as failures:
            failure = failures.read()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if failure:
        raise FleetError(failure)
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def _ignoring(*numbers: signal.Signals) -> Iterator[None]:
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def _go(state: FleetState, place: str, argv: Sequence[str], failures: int) -> None:
    """Never returns: ends with the command's exit code."""
    code = 1
    try:
        folder = Path.cwd()
        _join(state, place)
        pid = os.fork()
        if pid == 0:
            linux.die_with_parent()
            os.set_inheritable(failures, False)
            etc.put_on(etc.folder(_network(place)))
            _execute(argv, folder)
        os.close(failures)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except (OSError, FleetError) as error:
        with contextlib.suppress(OSError):
            os.write(failures, str(error).encode())
    finally:
        os._exit(code if code >= 0 else 128 - code)


def _network(place: str) -> str:
    return wiring.pod_network(place.removeprefix("pod:")) if place.startswith("pod:") else place


def _join(state: FleetState, place: str) -> None:
    network = _network(place)
    try:
        pid = int(state.paths.world_pid.read_text())
        spaces = [(_space(pid, kind), flag) for kind, flag in _order(pid)]
    except (OSError, ValueError):
        raise FleetError(f'fleet "{state.name}" is not running (any more)') from None
    for fd, flag in spaces:
        linux.setns(fd, flag)
        os.close(fd)
    try:
        linux.join_network(wiring.path(network))
    except FileNotFoundError:
        places = ", ".join(["outside", *(node.name for node in state.nodes)])
        raise FleetError(f'fleet "{state.name}" has no {place} ({places}, and its pods)') from None


def _order(pid: int) -> list[tuple[str, int]]:
    """The user namespace first, for the right to enter the others; joining the own one again is an error."""
    spaces = [("pid", linux.CLONE_NEWPID), ("mnt", linux.CLONE_NEWNS)]
    if Path(f"/proc/{pid}/ns/user").stat().st_ino != Path("/proc/self/ns/user").stat().st_ino:
        spaces.insert(0, ("user", linux.CLONE_NEWUSER))
    return spaces


def _space(pid: int, kind: str) -> int:
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _execute(argv: Sequence[str], folder: Path) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    # Joining a mount namespace moved us to its root.
    with contextlib.suppress(OSError):
        os.chdir(folder)
    # execvp would say "Permission denied" of a command that is nowhere, if PATH has folders closed to us.
    program = shutil.which(argv[0]) or argv[0]
    try:
        os.execv(program, list(argv))
    except OSError as error:
        print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
        os._exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUNNABLE)
