"""What the relay tells of LoadBalancers on the host: where each port answers, or why it does not."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

UNPRIVILEGED = "net.ipv4.ip_unprivileged_port_start"
"""The sysctl that says from which port on everybody may listen."""


class HostDoor(Struct, frozen=True, order=True, rename="camel"):
    """One port of a LoadBalancer's address, from the host."""

    address: str
    """The LoadBalancer's."""
    protocol: str
    port: int
    host_address: str = ""
    host_port: int = 0
    """0: it does not answer (yet)."""
    problem: str = ""

    @property
    def at(self) -> str:
        """`127.1.2.211:80`; empty when it does not answer."""
        return f"{self.host_address}:{self.host_port}" if self.host_port else ""


EVERYBODY = "another program of this machine has port {} on all addresses"
ANOTHER = "another LoadBalancer has port {}: there is no 127.x.y.n left for this one"
"""Who has a port."""


def note(port: int, host_port: int, *, taken: str = "") -> str:
    """Why another port serves, and what changes that; empty when it is the same. `taken`: who has it, or nobody."""
    if port == host_port:
        return ""
    if taken:
        return f"port {port} answers at {host_port}: {taken.format(port)}"
    return (
        f"port {port} answers at {host_port}: this machine keeps ports below its {UNPRIVILEGED} for root; "
        f"sysctl -w {UNPRIVILEGED}={port} lets anybody have it, from the next start on"
    )


def write(path: Path, doors: Iterable[HostDoor]) -> None:
    """Store them, whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(sorted(doors))) + b"\n")
    draft.replace(path)


def read(path: Path) -> list[HostDoor]:
    """Those that the relay told of last; none when there is no relay yet."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[HostDoor])
    except (OSError, msgspec.MsgspecError):
        return []
