"""Drives ExaBGP, where it is installed: one child for all peers, told of new routes by its configuration file.

What happens to sessions it writes to a pipe, a JSON object a line.
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from portway.agent.announce.figures import Figures
from portway.loadbalancer.bgp import EVENTS

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_SET_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None)


class _Addresses(Struct):
    peer: str = ""


class _Neighbor(Struct):
    address: _Addresses = msgspec.field(default_factory=_Addresses)
    state: str = ""
    direction: str = ""


class _Happened(Struct):
    """What is read of one of ExaBGP's lines."""

    type: str = ""
    neighbor: _Neighbor = msgspec.field(default_factory=_Neighbor)


_LINE = msgspec.json.Decoder(_Happened)


class Speaker:
    """Follows a configuration: "" is no session at all."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._wanted = ""
        self._changed = asyncio.Event()
        self._missing = False

    def follow(self, configuration: str) -> None:
        """From now on this."""
        if configuration != self._wanted:
            self._wanted = configuration
            self._changed.set()

    async def run(self) -> None:
        """For ever; sessions end with it."""
        with tempfile.TemporaryDirectory(prefix="portway-bgp-") as folder, self._listening(Path(folder) / "events"):
            while True:
                await self._changed.wait()
                if self._wanted and (program := self._program()):
                    await self._speak(program, Path(folder) / "exabgp.conf")
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._changed.clear()

    @contextlib.contextmanager
    def _listening(self, pipe: Path) -> Iterator[None]:
        """Hear what ExaBGP tells. Opened for writing too, the pipe does not end with a child."""
        os.mkfifo(pipe, 0o600)
        heard = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        rest = bytearray()

        def hear() -> None:
            rest.extend(os.read(heard, 1 << 16))
            *lines, left = rest.split(b"\n")
            rest[:] = left
            for line in lines:
                self._note(bytes(line))

        asyncio.get_running_loop().add_reader(heard, hear)
        try:
            yield
        finally:
            asyncio.get_running_loop().remove_reader(heard)
            os.close(heard)

    def _note(self, line: bytes) -> None:
        try:
            said = _LINE.decode(line)
        except msgspec.MsgspecError:
            return  # another version's words: sessions live without being counted
        peer = frozenset((said.neighbor.address.peer,))
        if said.type == "state":
            figures = self._figures
            figures.up = figures.up | peer if said.neighbor.state == "up" else figures.up - peer
        elif said.type == "update" and said.neighbor.direction == "send":
            self._figures.bgp_updates.update(peer)

    def _program(self) -> str | None:
        found = shutil.which("exabgp", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if found is None and not self._missing:
            log.error("there are BGPPeers, and exabgp is not installed here: no address is announced by BGP")
        self._missing = found is None
        return found

    async def _speak(self, program: str, file: Path) -> None:
        """Until ExaBGP ends, or nothing is to be said any more."""
        self._write(file)
        child = await asyncio.create_subprocess_exec(
            program, str(file), env=dict(os.environ) | _settings(), preexec_fn=_die_with_parent
        )
        ended = asyncio.ensure_future(child.wait())
        try:
            while not ended.done():
                changed = asyncio.ensure_future(self._changed.wait())
                await asyncio.wait({ended, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if not self._wanted:
                    return
                if self._changed.is_set() and not ended.done():
                    self._write(file)
                    child.send_signal(signal.SIGUSR1)
            log.warning("exabgp ended with %s; it is started again", ended.result())
            self._changed.set()
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await ended
            self._figures.up = frozenset()

    def _write(self, file: Path) -> None:
        self._changed.clear()
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(self._wanted.replace(EVENTS, str(file.with_name("events"))))
        draft.replace(file)


def _die_with_parent() -> None:
    _LIBC.prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def _settings() -> dict[str, str]:
    """ExaBGP's own. It stays who we are, to read its file again, which nobody else may: peers have passwords."""
    return {
        "exabgp_api_cli": "false",
        "exabgp_daemon_drop": "false",
        "exabgp_daemon_user": pwd.getpwuid(os.geteuid()).pw_name,
        "exabgp_log_destination": "stdout",
        "exabgp_log_level": "ERR",
        "exabgp_reactor_speed": "0.2",
    }
