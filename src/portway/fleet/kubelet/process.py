"""One run of a container's program: a real process in the pod's network namespace, in a session of its own."""

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import signal
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from portway.fleet import etc, linux, mounts
from portway.fleet.mounts import Mount

_LOG_LIMIT = 2 * 1024 * 1024
"""Bytes of log kept: when there are more, the older half goes."""


class CannotRun(Exception):
    """The program did not start; the text is the container runtime's."""


class Log:
    """A container's log file, of bounded size."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open as long as the container lives

    def write(self, data: bytes) -> None:
        """Append; forget the older half when it has become too long."""
        self._file.write(data)
        if self._file.tell() > _LOG_LIMIT:
            kept = self._path.read_bytes()[-_LOG_LIMIT // 2 :]
            self._file.truncate(0)
            self._file.write(kept.partition(b"\n")[2])

    def close(self) -> None:
        """No more is written."""
        self._file.close()


class _Pipe(asyncio.Protocol):
    def __init__(self, log: Log) -> None:
        self._log = log
        self.finished = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._log.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.finished.done() or self.finished.set_result(None)  # type: ignore[func-returns-value]


class Space(Struct, frozen=True):
    """Where a program runs."""

    network: str | None = None
    """Path of its network namespace; None: the current one."""
    etc: Path | None = None
    """The folder of files that it sees in place of this machine's (see fleet/etc.py); None: this machine's."""
    mounts: tuple[Mount, ...] = ()
    """What lies at the container's mountPaths."""


class Process:
    """A running program."""

    def __init__(self, pid: int, output: asyncio.ReadTransport, protocol: _Pipe) -> None:
        self.pid = pid
        self._output, self._protocol = output, protocol
        self._pidfd = os.pidfd_open(pid)

    @classmethod
    async def start(
        cls, space: Space, argv: Sequence[str], variables: Mapping[str, str], folder: str, log: Log
    ) -> "Process":
        """Start `argv` in its space; raises CannotRun."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            pid = spawn(space, argv, variables, folder, Files(null, writing, writing))
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
            os.close(null)
        loop = asyncio.get_running_loop()
        output, protocol = await loop.connect_read_pipe(lambda: _Pipe(log), os.fdopen(reading, "rb", buffering=0))
        return cls(pid, output, protocol)

    async def wait(self) -> int:
        """Its exit code, 128+N after signal N. Waits for its last output a moment (a child may hold the pipe)."""
        code = await ended(self.pid, self._pidfd)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await self._protocol.finished
        self._output.close()
        return code

    def signal(self, number: int) -> None:
        """Send a signal to it and all of its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


class Files(Struct, frozen=True):
    """The descriptors that a program gets as its standard ones."""

    input: int
    output: int
    errors: int
    terminal: bool = False
    """They are a terminal, which is to be the program's own."""


async def ended(pid: int, pidfd: int) -> int:
    """Wait for a child: its exit code, 128+N after signal N. Closes `pidfd`."""
    await _readable(pidfd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(pidfd)
    return code if code >= 0 else 128 - code


def spawn(space: Space, argv: Sequence[str], variables: Mapping[str, str], folder: str, files: Files) -> int:
    """Start a program in its space; its process id. Raises CannotRun."""
    program = _find(argv[0], variables, folder)
    failing, failed = os.pipe2(os.O_CLOEXEC)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(space, program, argv, variables, folder, files, failed, parent)
    os.close(failed)
    with os.fdopen(failing) as failures:
        failure = failures.read()
    if failure:
        os.waitpid(pid, 0)
        raise CannotRun(failure)
    return pid


def _find(command: str, variables: Mapping[str, str], folder: str) -> str:
    if "/" in command:
        return command
    found = shutil.which(command, path=variables.get("PATH"))
    if found is None:
        raise CannotRun(f'exec: "{command}": executable file not found in $PATH')
    return found


def _become(
    space: Space,
    program: str,
    argv: Sequence[str],
    variables: Mapping[str, str],
    folder: str,
    files: Files,
    failed: int,
    parent: int,
) -> None:
    """Between fork and exec; never returns."""
    doing = "start"
    try:
        os.setsid()
        linux.die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        if space.network:
            linux.join_network(space.network)
        if space.etc:
            etc.put_on(space.etc)
        for place in mounts.put_on(space.mounts):
            doing = f"mounting a volume at {place}"
        doing = "start"
        if files.terminal:
            fcntl.ioctl(files.input, termios.TIOCSCTTY, 0)
        for source, target in ((files.input, 0), (files.output, 1), (files.errors, 2)):
            os.dup2(source, target)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        doing = f'chdir to cwd ("{folder}") set in config.json failed'
        os.chdir(folder)
        doing = f'exec: "{argv[0]}"'
        os.execve(program, list(argv), dict(variables))
    except OSError as error:
        text = "no such file or directory" if error.errno == errno.ENOENT else (error.strerror or "").lower()
        os.write(failed, f"{doing}: {text}".encode())
    finally:
        os._exit(128)


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, lambda: ready.done() or ready.set_result(None))  # type: ignore[func-returns-value]
    try:
        await ready
    finally:
        loop.remove_reader(fd)
