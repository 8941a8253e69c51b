"""Drives ExaBGP, where it is installed: one child for all peers, told of new routes by its configuration file."""

import asyncio
import contextlib
import ctypes
import logging
import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_SET_DEATH_SIGNAL = 1
_LIBC = ctypes.CDLL(None)


class Speaker:
    """Follows a configuration: "" is no session at all."""

    def __init__(self) -> None:
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
        with tempfile.TemporaryDirectory(prefix="portway-bgp-") as folder:
            while True:
                await self._changed.wait()
                if self._wanted and (program := self._program()):
                    await self._speak(program, Path(folder) / "exabgp.conf")
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._changed.clear()

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

    def _write(self, file: Path) -> None:
        self._changed.clear()
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(self._wanted)
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
