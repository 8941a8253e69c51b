"""`portway gateway` itself: what of root's rights it keeps, by engine, and that what it started ends with it."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from portway.client import Api
from portway.kubeapi.doorclasses import first_objects
from portway.reconcile.resources import NAMESPACES
from portway.rights import BITS
from portway.testing import apiserver
from portway.testing.doordocs import gateway, http
from tests.gateway.backends import exchange
from tests.gateway.test_process import GET, create
from tests.ports import free_port
from tests.processes import runs

ENGINES = {
    "builtin": {"NET_BIND_SERVICE"},
    "haproxy": {
        *("NET_BIND_SERVICE", "SETUID", "SETGID", "SYS_CHROOT", "KILL", "CHOWN", "FOWNER", "SYS_RESOURCE"),
    },
}


def _capabilities(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    effective = int(status["CapEff"], 16)
    assert int(status["CapPrm"], 16) == effective and not int(status["CapAmb"], 16)
    names = {bit: name for name, bit in BITS.items()}
    return {names.get(bit, str(bit)) for bit in range(64) if effective >> bit & 1}


def _children(pid: int) -> list[int]:
    try:
        found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended meanwhile, as what only checks a configuration does
        return []
    return [*found, *(one for child in found for one in _children(child))]


@pytest.fixture
def folder() -> Iterator[Path]:
    """For what a killed one leaves. Not pytest's tmp_path: paths of sockets are to be short."""
    with TemporaryDirectory(prefix="pw-") as made:
        yield Path(made)


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_door_of_roots(engine: str, tmp_path: Path, folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has rights to give up")
    if engine == "haproxy" and not shutil.which("haproxy"):
        pytest.skip("haproxy is not installed")
    port, healthz = free_port(), free_port()
    argv = ["gateway", "gateway/shop/front", "--engine", engine, "--healthz-port", str(healthz)]
    with apiserver.start(tmp_path) as server:
        async with Api.unix(server.unix) as api:
            await api.create(NAMESPACES, {"metadata": {"name": "shop"}})
            await create(api, *first_objects(), gateway("front", http(port=port)))
        argv += ["--api-socket", str(server.unix)]
        environment = os.environ | {"TMPDIR": str(folder)}
        door = await asyncio.create_subprocess_exec(sys.executable, "-m", "portway", *argv, env=environment)
        try:
            async with asyncio.timeout(60):
                while not await _answers(port):
                    await asyncio.sleep(0.05)
            kept = _capabilities(door.pid) - {"DAC_READ_SEARCH"}  # kept where checkouts lie in a closed folder
            assert kept <= ENGINES[engine] and "NET_BIND_SERVICE" in kept
            engines = _children(door.pid)
            assert bool(engines) == (engine == "haproxy")
        finally:
            door.send_signal(signal.SIGKILL)
            await door.wait()
        async with asyncio.timeout(60):
            while any(map(runs, engines)) or await _answers(port):
                await asyncio.sleep(0.02)


async def _answers(port: int) -> bool:
    try:
        return b" 404 " in await exchange(port, GET)
    except OSError:
        return False
