"""One router is spoken to: an ExaBGP of its own, which is told of other routes by its configuration file.

What happens to the session it writes to a pipe, a JSON object a line. A signal says that the file has changed. ExaBGP
forgets signals that come before its first routes are out, and says nothing of it: so it is told three times where there
is a session, and where there is none it begins anew.
"""

import asyncio
import contextlib
import ctypes
import logging
import math
import os
import pwd
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from portway.agent.announce.leases import now
from portway.folder import own_folder
from portway.loadbalancer.bgp import EVENTS
from portway.loadbalancer.peers import Session

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_AGAIN_SECONDS = (0.0, 1.0, 3.0)
"""From one telling of a change to the next."""
_LOOK_SECONDS = 0.5
_SETTLES = 3.0
"""Seconds that a session has to come about before a change is worth beginning anew."""
_OLD = 150.0
"""Seconds after which what was heard of a router tells nothing any more: ExaBGP tries once a minute at least."""
_SET_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None)


class _Neighbor(Struct):
    state: str = ""
    reason: str = ""
    direction: str = ""


class Happened(Struct):
    """What is read of one of ExaBGP's lines."""

    type: str = ""
    neighbor: _Neighbor = msgspec.field(default_factory=_Neighbor)


_LINE = msgspec.json.Decoder(Happened)


class Voice:
    """`told` is called with whatever happens."""

    def __init__(self, told: Callable[[Happened], None]) -> None:
        self._told = told
        self._wanted = ""
        self._changed = asyncio.Event()
        self._session, self._heard = Session(), -math.inf
        self.up = False
        self.down_since = now()

    def follow(self, configuration: str) -> None:
        """From now on this."""
        if configuration != self._wanted:
            self._wanted = configuration
            self._changed.set()

    @property
    def session(self) -> Session:
        """What is known of it while it is not up."""
        return self._session if now() - self._heard < _OLD else Session()

    async def run(self, program: Callable[[], str | None]) -> None:
        """Until it is cancelled; the session ends with it. `program`: where ExaBGP is, if it is installed."""
        with own_folder("portway-bgp-") as folder, self._listening(folder / "events"):
            while True:
                if found := program():
                    await self._speak(found, folder / "exabgp.conf")
                await asyncio.sleep(_RETRY_SECONDS)

    async def _speak(self, program: str, file: Path) -> None:
        """Until ExaBGP ends, or has to begin anew."""
        self._write(file)
        child = await asyncio.create_subprocess_exec(
            program, str(file), env=dict(os.environ) | _settings(), preexec_fn=_die_with_parent
        )
        ended = asyncio.ensure_future(child.wait())
        try:
            await self._keep(child, ended, file)
            if ended.done():
                log.warning("exabgp ended with %s; it is started again", ended.result())
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            await ended
            self._hear(Happened("state"))

    async def _keep(self, child: asyncio.subprocess.Process, ended: "asyncio.Future[int]", file: Path) -> None:
        began, pauses = now(), tuple[float, ...]()
        while not ended.done():
            changed = asyncio.ensure_future(self._changed.wait())
            patience = (pauses[0] if self.up else _LOOK_SECONDS) if pauses else None
            either: set[asyncio.Future[Any]] = {ended, changed}
            await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
            if self._changed.is_set():
                self._write(file)
                pauses = _AGAIN_SECONDS
            elif pauses and self.up and not ended.done():
                child.send_signal(signal.SIGUSR1)
                pauses = pauses[1:]
            elif pauses and now() - began > _SETTLES:
                return

    def _write(self, file: Path) -> None:
        self._changed.clear()
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(self._wanted.replace(EVENTS, str(file.with_name("events"))))
        draft.replace(file)

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
        self._hear(said)

    def _hear(self, said: Happened) -> None:
        if said.type == "state":
            self._note_state(said.neighbor)
        self._told(said)

    def _note_state(self, neighbor: _Neighbor) -> None:
        """ExaBGP tells of connections that came about, and how they ended; of those that did not, nothing."""
        was, self.up = self.up, neighbor.state == "up"
        if was and not self.up:
            self.down_since = now()
        if neighbor.state:
            kept = "" if self.up else self._session.reason
            self._session, self._heard = Session(reached=True, reason=neighbor.reason or kept), now()


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
