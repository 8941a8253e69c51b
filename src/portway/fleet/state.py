"""Which fleets there are: reads fleet.json, and removes what fleets that died without a word left behind."""

import errno
import hashlib
import os
import shutil
import socket
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from portway.fleet.config import FleetConfig, NodePlan, node_plans
from portway.fleet.errors import FleetError
from portway.fleet.paths import FleetPaths, fleet_paths, state_root

_STARTING_SECONDS = 30.0
"""How long a folder without fleet.json counts as a fleet being started or ended."""


class FleetState(Struct, frozen=True, kw_only=True):
    """A running fleet, as fleet.json has it."""

    config: FleetConfig
    keeper_pid: int
    keeper_start: int
    """The keeper's start in clock ticks since boot, so that another process with its number is not taken for it."""
    keeper_space: int
    """The inode of the keeper's PID namespace: elsewhere its numbers mean nothing."""
    api_url: str
    """`https://127.0.0.1:PORT`."""
    loopback: str
    """`127.x.y`: node k answers on the host at 127.x.y.k."""
    dns: str = ""
    """`127.x.y.253:PORT`: names of the fleet's Services are answered there; empty: nowhere on the host."""
    started: float
    """Seconds since the epoch."""

    @property
    def name(self) -> str:
        """The fleet's name."""
        return self.config.name

    @property
    def paths(self) -> FleetPaths:
        """Its files."""
        return fleet_paths(self.config.name)

    @property
    def nodes(self) -> list[NodePlan]:
        """Its nodes, node-1 first."""
        return node_plans(self.config, self.loopback)


def fleets() -> list[FleetState]:
    """All running fleets of this state root, by name. Folders of fleets that are gone are removed on the way."""
    root = state_root()
    if not root.is_dir():
        return []
    found = (read(folder) for folder in sorted(root.iterdir()) if folder.is_dir())
    return [state for state in found if state is not None]


def find(name: str) -> FleetState:
    """The running fleet of that name; FleetError, naming those that do run, when there is none."""
    state = read(fleet_paths(name).folder)
    if state is not None:
        return state
    others = ", ".join(fleet.name for fleet in fleets())
    raise FleetError(
        f'no fleet "{name}" is running' + (f" (running: {others})" if others else "; start one: portway up")
    )


def read(folder: Path) -> FleetState | None:
    """The state of the fleet that lives in `folder`, None when none does; a dead fleet's folder is removed."""
    try:
        state = msgspec.json.decode((folder / "fleet.json").read_bytes(), type=FleetState)
    except (OSError, msgspec.MsgspecError):
        if not starting(folder):
            shutil.rmtree(folder, ignore_errors=True)
        return None
    if alive(state):
        return state
    shutil.rmtree(folder, ignore_errors=True)
    return None


def alive(state: FleetState) -> bool:
    """Whether the fleet's keeper lives. Seen from another PID namespace (a container, the fleet's own inside): whether
    anybody still listens at the API's socket, which the keeper holds."""
    if pid_space() == state.keeper_space:
        return process_start(state.keeper_pid) == state.keeper_start
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        # EAGAIN: it is there, and busy
        return probe.connect_ex(str(state.paths.api_socket)) in (0, errno.EAGAIN)


def pid_space() -> int:
    """The inode of this process's PID namespace."""
    return Path("/proc/self/ns/pid").stat().st_ino


def starting(folder: Path) -> bool:
    """Whether a folder without a readable fleet.json is young enough to be somebody's work in progress."""
    try:
        return time.time() - folder.stat().st_mtime < _STARTING_SECONDS
    except OSError:
        return False


def process_start(pid: int) -> int:
    """When process `pid` started, in clock ticks since boot; 0 when there is no such process (or only its zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def write(state: FleetState) -> None:
    """Store fleet.json, whole or not at all."""
    path = state.paths.state
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
    os.replace(draft, path)  # noqa: PTH105 - one rename


def claimed_loopback(name: str, taken: set[str]) -> tuple[str, socket.socket]:
    """A `127.x.y` for fleet `name`, its own as long as the socket is open.

    Always the same one, unless another fleet or program uses it. A fleet listens only later: the socket, an abstract
    one that all users of this machine share, tells those that are started meanwhile.
    """
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    used = taken | _used_loopbacks()
    for step in range(254 * 256):
        x, y = divmod((seed + step) % (254 * 256), 256)
        prefix = f"127.{x + 1}.{y}"
        if prefix not in used and (claim := _claim(prefix)) is not None:
            return prefix, claim
    raise FleetError("no loopback range 127.x.y.0/24 is free on this machine")


def _claim(prefix: str) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0portway {prefix}")
    except OSError:
        claim.close()
        return None
    return claim


def _used_loopbacks() -> set[str]:
    """The 127.x.y where somebody on this machine answers (man 5 proc: addresses are little-endian hex).

    Connections that are just ending do not count: a fleet that is started again keeps its addresses.
    """
    used = set()
    for table, answering in (("tcp", "0A"), ("udp", "07")):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            octets = bytes.fromhex(local.partition(":")[0])[::-1]
            if octets[0] == 127 and state == answering:
                used.add(".".join(map(str, octets[:3])))
    return used
