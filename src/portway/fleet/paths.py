"""Where a fleet keeps its files: one folder (0700) a fleet under the state root, gone when the fleet is gone."""

import os
from pathlib import Path

from msgspec import Struct

from portway.fleet.errors import FleetError

_SOCKET_PATH_LIMIT = 107
"""sun_path is 108 bytes with its terminating zero (man 7 unix)."""


def state_root() -> Path:
    """`$PORTWAY_STATE`, else `$XDG_STATE_HOME/portway`, else `~/.local/state/portway`. Always absolute."""
    if given := os.environ.get("PORTWAY_STATE"):
        return Path(given).absolute()
    if xdg := os.environ.get("XDG_STATE_HOME"):
        return Path(xdg).absolute() / "portway"
    return Path.home() / ".local" / "state" / "portway"


class FleetPaths(Struct, frozen=True):
    """The layout of one fleet's folder."""

    folder: Path

    @property
    def state(self) -> Path:
        """What `portway status` reads: a FleetState as JSON."""
        return self.folder / "fleet.json"

    @property
    def kubeconfig(self) -> Path:
        """For kubectl."""
        return self.folder / "kubeconfig"

    @property
    def pki(self) -> Path:
        """The folder of the fleet's CA and certificates."""
        return self.folder / "pki"

    @property
    def database(self) -> Path:
        """The API server's SQLite file."""
        return self.folder / "data.db"

    @property
    def api_socket(self) -> Path:
        """The API server's Unix socket."""
        return self.folder / "api.sock"

    @property
    def dial_socket(self) -> Path:
        """Where the dialer hands out sockets of the outside namespace."""
        return self.folder / "dial.sock"

    @property
    def dns_socket(self) -> Path:
        """Where the nameserver takes sockets over: a pod's, a node's."""
        return self.folder / "dns.sock"

    @property
    def host_doors(self) -> Path:
        """What the relay tells of LoadBalancers: a list of HostDoor as JSON."""
        return self.folder / "doors.json"

    @property
    def kubelets(self) -> Path:
        """The folder of the kubelets' Unix sockets: NODE.sock."""
        return self.folder / "kubelets"

    def agent_socket(self, node: str) -> Path:
        """Where the node's agent answers `/metrics`."""
        return self.folder / "agents" / f"{node}.sock"

    def announcer_socket(self, node: str) -> Path:
        """Where the node's announcer answers `/metrics`."""
        return self.folder / "announcers" / f"{node}.sock"

    @property
    def controllers_socket(self) -> Path:
        """Where the controllers answer `/metrics`."""
        return self.folder / "controllers.sock"

    @property
    def world_pid(self) -> Path:
        """The process id of the world's PID 1, as the host counts."""
        return self.folder / "world.pid"

    def log(self, process: str) -> Path:
        """What one of the fleet's processes says."""
        return self.folder / "logs" / f"{process}.log"

    def access_log(self, node: str) -> Path:
        """Who came to the node: what is being written; older ones are called the same with .1, .2, … behind."""
        return self.folder / "access" / f"{node}.jsonl"

    @property
    def pods(self) -> Path:
        """The folder of the containers' logs: UID/CONTAINER.log."""
        return self.folder / "pods"

    def container_log(self, uid: str, container: str) -> Path:
        """What a container run as a process says."""
        return self.pods / uid / f"{container}.log"


def fleet_paths(name: str) -> FleetPaths:
    """The paths of fleet `name`; FleetError when its sockets' paths would be too long for the kernel."""
    paths = FleetPaths(state_root() / name)
    length = len(os.fsencode(paths.dial_socket))
    if length > _SOCKET_PATH_LIMIT:
        raise FleetError(
            f"{paths.dial_socket} has {length} bytes, and a Unix socket's path may have {_SOCKET_PATH_LIMIT}: "
            "set PORTWAY_STATE to a folder with a shorter path"
        )
    return paths
