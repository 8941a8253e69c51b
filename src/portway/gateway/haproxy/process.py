"""HAProxy's processes: a master that stays, and workers that it replaces."""

import asyncio
import ctypes
import logging
import re
import signal
from contextlib import suppress
from pathlib import Path

from portway.gateway.haproxy import runtime

log = logging.getLogger(__name__)

_SET_DEATH_SIGNAL = 1
_READY_SECONDS = 10.0
_TELL_SECONDS = 5.0
"""For a command that is given once."""
_END_SECONDS = 2.0
"""From SIGTERM on; workers end when their master is gone."""
_WORKER = re.compile(r"^\d+\s+worker\b")
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_us() -> None:
    """HAProxy ends when we do, however that is: else it would hold the ports of who comes after us."""
    _libc.prctl(_SET_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGTERM), 0, 0, 0)


class Process:
    """One master in one folder: `haproxy.cfg`, `master.sock`, `worker.sock`."""

    def __init__(self, folder: Path) -> None:
        self.config, self.worker_socket = folder / "haproxy.cfg", folder / "worker.sock"
        self._master_socket = folder / "master.sock"
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._last_words: list[str] = []

    @property
    def alive(self) -> bool:
        """Whether the master runs."""
        return self._process is not None and self._process.returncode is None

    async def check(self) -> str:
        """What is wrong with the configuration, in a line; "" when nothing is."""
        checking = await asyncio.create_subprocess_exec(
            "haproxy", "-c", "-f", str(self.config), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await checking.communicate()
        return _alerts(said.decode(errors="replace").splitlines()) if checking.returncode else ""

    async def start(self) -> None:
        """Raises OSError when it is not ready soon."""
        self.worker_socket.unlink(missing_ok=True)
        self._last_words = []
        # in a session of its own: who tells our whole process group to end, as kubelets do, means us, and we tell it
        self._process = await asyncio.create_subprocess_exec(
            "haproxy", "-W", "-db", "-f", str(self.config), "-S", f"{self._master_socket},mode,600",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
            preexec_fn=_die_with_us, start_new_session=True,
        )  # fmt: skip
        self._reading = asyncio.get_running_loop().create_task(self._listen(self._process))
        await self._wait_for_worker(0)

    async def reload(self) -> bool:
        """A new worker takes over the sockets; the old one ends when its connections do.

        False: it was dying, and is gone now. Raises OSError.
        """
        before = await runtime.worker(self.worker_socket)
        try:
            with suppress(TimeoutError):  # whether there is a new worker is what counts
                await runtime.ask_master(self._master_socket, "reload")
            await self._wait_for_worker(before)
        except OSError:
            if await self._is_gone_within(_END_SECONDS):
                return False
            raise
        return True

    async def _is_gone_within(self, seconds: float) -> bool:
        """Whether the master ends, as it does once it has heard that its worker has."""
        assert self._process is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        return not self.alive

    async def ended(self) -> str:
        """Wait until the master is gone: what it said last."""
        assert self._process is not None
        await self._process.wait()
        return _alerts(self._last_words)

    async def tell_all(self, command: str) -> None:
        """A command for every worker that still has connections; one that is just going need not hear it."""
        if self.alive:
            with suppress(OSError):
                told = await runtime.ask_master(self._master_socket, "show proc", _TELL_SECONDS)
                for pid in [line.split()[0] for line in told.splitlines() if _WORKER.search(line)]:
                    await runtime.ask_master(self._master_socket, f"@!{pid} {command}", _TELL_SECONDS)

    async def stop(self, seconds: float) -> None:
        """SIGUSR1: no more connections, those that are there may end."""
        if self._process is None or not self.alive:
            return
        self._process.send_signal(signal.SIGUSR1)
        for patience, then in ((seconds, signal.SIGTERM), (_END_SECONDS, signal.SIGKILL)):
            try:
                async with asyncio.timeout(patience):
                    await self._process.wait()
                    return
            except TimeoutError:
                with suppress(ProcessLookupError):
                    self._process.send_signal(then)
        await self._process.wait()

    async def _wait_for_worker(self, before: int) -> None:
        async with asyncio.timeout(_READY_SECONDS):
            while (found := await runtime.worker(self.worker_socket)) in (0, before):
                if not self.alive:
                    raise OSError(_alerts(self._last_words) or "HAProxy ended at once")
                await asyncio.sleep(0.005)
            # it hears signals from the moment on in which it answers
            while not await self._master_answers():
                await asyncio.sleep(0.005)
        log.debug("HAProxy's worker is %d", found)

    async def _master_answers(self) -> bool:
        try:
            return bool(await runtime.ask_master(self._master_socket, "show proc"))
        except OSError:
            return False

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            self._last_words = [*self._last_words[-20:], text]
            log.debug("haproxy: %s", text)


def _alerts(lines: list[str]) -> str:
    alerts = [line.partition(" : ")[2] for line in lines if line.startswith("[ALERT]")]
    return " ".join((alerts[0] if alerts else next(iter(lines), "")).split())
