"""One command in a pod, talked to over a WebSocket: `kubectl exec`.

Channels as in k8s.io/apimachinery pkg/util/remotecommand: each binary message begins with its channel's number.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiohttp import WSMsgType, web
from msgspec import Struct

from portway.fleet.kubelet.process import CannotRun, Files, Space, ended, spawn
from portway.kubeapi.errors import Doc

_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_CHUNK = 32768
_LAST_WORDS_SECONDS = 0.5
"""For so long nothing may come once the command has ended, before that is taken for all: a child may hold the pipe."""


class Wanted(Struct, frozen=True):
    """What to run and what of it to connect."""

    argv: tuple[str, ...]
    variables: Mapping[str, str]
    space: Space
    folder: str = "/"
    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    terminal: bool = False


def outcome(code: int) -> Doc:
    """The Status that tells how a command ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure(message: str) -> Doc:
    """The Status of a command that could not be run."""
    return {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}


class _Feed(asyncio.BaseProtocol):
    """What a command is told: no more than it takes."""

    def __init__(self) -> None:
        self.hungry = asyncio.Event()
        self.hungry.set()

    def pause_writing(self) -> None:
        self.hungry.clear()

    def resume_writing(self) -> None:
        self.hungry.set()

    def connection_lost(self, _: Exception | None) -> None:
        self.hungry.set()


class Session:
    """A command while somebody talks to it."""

    def __init__(self, peer: web.WebSocketResponse, wanted: Wanted) -> None:
        self._peer, self._wanted = peer, wanted
        self._input: asyncio.WriteTransport | None = None
        self._feed = _Feed()
        self._terminal = -1
        self._read = 0
        """How often something was read of what the command says."""
        self._saying = 0
        """What is being said to the peer, which may be slow."""

    async def run(self) -> None:
        """From its start to the Status of its end. A peer that leaves ends it."""
        try:
            pid, outputs = await self._start()
        except (CannotRun, OSError) as error:
            await self._say(_ERROR, msgspec.json.encode(failure(f"failed to exec in container: {error}")))
            return
        copies = [asyncio.create_task(self._copy(channel, reader)) for channel, reader in outputs]
        listening = asyncio.create_task(self._listen())
        ending = asyncio.create_task(ended(pid, os.pidfd_open(pid)))
        try:
            await asyncio.wait({listening, ending}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                _kill(pid)
            code = await ending
            await self._last_words(copies)
            await self._say(_ERROR, msgspec.json.encode(outcome(code)))
        finally:
            if not ending.done():
                _kill(pid)
            for task in (*copies, listening):
                task.cancel()
            self._close_input()

    async def _start(self) -> tuple[int, list[tuple[int, asyncio.StreamReader]]]:
        return await (self._start_in_terminal() if self._wanted.terminal else self._start_with_pipes())

    async def _start_with_pipes(self) -> tuple[int, list[tuple[int, asyncio.StreamReader]]]:
        ours, theirs = zip(*(os.pipe2(os.O_CLOEXEC) for _ in range(3)), strict=True)
        # Of the first pipe we have the writing end, of the others the reading ones.
        child = (ours[0], theirs[1], theirs[2])
        try:
            pid = self._spawn(Files(*child))
        except CannotRun:
            for each in (theirs[0], ours[1], ours[2]):
                os.close(each)
            raise
        finally:
            for each in child:
                os.close(each)
        await self._open_input(theirs[0])
        return pid, [(_STDOUT, await _reader(ours[1])), (_STDERR, await _reader(ours[2]))]

    async def _start_in_terminal(self) -> tuple[int, list[tuple[int, asyncio.StreamReader]]]:
        ours, theirs = os.openpty()
        try:
            pid = self._spawn(Files(theirs, theirs, theirs, terminal=True))
        except CannotRun:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self._terminal = os.dup(ours)
        await self._open_input(self._terminal)
        return pid, [(_STDOUT, await _reader(ours))]

    def _spawn(self, files: Files) -> int:
        wanted = self._wanted
        return spawn(wanted.space, wanted.argv, wanted.variables, wanted.folder, files)

    async def _open_input(self, fd: int) -> None:
        if not self._wanted.stdin and not self._wanted.terminal:
            os.close(fd)
            return
        loop = asyncio.get_running_loop()
        self._input, _ = await loop.connect_write_pipe(lambda: self._feed, os.fdopen(fd, "wb", buffering=0))

    def _close_input(self) -> None:
        if self._input is not None:
            self._input.close()
            self._input = None

    async def _copy(self, channel: int, reader: asyncio.StreamReader) -> None:
        wanted = self._wanted.stdout if channel == _STDOUT else self._wanted.stderr
        # A terminal whose last program ended reads as an error.
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                self._read += 1
                if wanted:
                    await self._say(channel, data)

    async def _last_words(self, copies: Iterable[asyncio.Task[None]]) -> None:
        """Until all is said that the command said."""
        left, before = set(copies), -1
        while left and (self._saying or self._read != before):
            before = self._read
            _, left = await asyncio.wait(left, timeout=_LAST_WORDS_SECONDS)

    async def _say(self, channel: int, data: bytes) -> None:
        self._saying += 1
        try:
            with contextlib.suppress(ConnectionError):
                await self._peer.send_bytes(bytes((channel,)) + data)
        finally:
            self._saying -= 1

    async def _listen(self) -> None:
        """Returns when the peer has left."""
        async for message in self._peer:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            self._heard(message.data[0], message.data[1:])
            await self._feed.hungry.wait()

    def _heard(self, channel: int, data: bytes) -> None:
        if channel == _STDIN and self._input is not None:
            self._input.write(data)
        elif channel == _CLOSE and data[:1] == bytes((_STDIN,)) and not self._wanted.terminal:
            self._close_input()
        elif channel == _RESIZE and self._terminal >= 0:
            self._resize(data)

    def _resize(self, data: bytes) -> None:
        with contextlib.suppress(msgspec.DecodeError, OSError, struct.error, TypeError):
            size = msgspec.json.decode(data, type=dict[str, int])
            packed = struct.pack("HHHH", size.get("Height", 24), size.get("Width", 80), 0, 0)
            fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, packed)


async def _reader(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(fd, "rb", buffering=0))
    return reader


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def command_of(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a request. Raises CannotRun when there are none."""
    if not words or not words[0]:
        raise CannotRun("you must specify at least one command for the container")
    return tuple(words)
