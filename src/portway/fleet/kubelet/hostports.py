"""hostPorts: what arrives at a node's port goes to the pod that asked for it, as a container network's portmap does it.

One table of the node's, beside the agent's, written whole at each change: a node has few of them. A container's
hostPort is not offered to programs that ask from 127.0.0.1 or ::1 (the kernel routes no such source out of the node).
Source: the field hostPort of a container's port, and CNI's plugin portmap.
"""

import ipaddress
import subprocess
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from portway.kubeapi.errors import Doc

TABLE = "portway-hostports"


class HostPort(Struct, frozen=True, order=True):
    """A port of the node, at one of its addresses or ("") at all."""

    address: str
    protocol: str
    port: int
    container_port: int


def wanted(pod: Doc) -> tuple[HostPort, ...]:
    """Those of a pod that has a network of its own."""
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    found = (
        HostPort(
            _address(each.get("hostIP") or ""), each.get("protocol") or "TCP", each["hostPort"], each["containerPort"]
        )
        for each in ports
        if each.get("hostPort")
    )
    return tuple(sorted(set(found)))


def _address(text: str) -> str:
    try:
        return "" if ipaddress.ip_address(text).is_unspecified else text
    except ValueError:
        return ""


Served = Mapping[str, tuple[Sequence[HostPort], Sequence[str]]]
"""By pod UID: its hostPorts, and its addresses."""


def ruleset(served: Served) -> str:
    """What nft is told: the whole table, or its end when there are none."""
    if not served:
        return f"add table inet {TABLE}\ndelete table inet {TABLE}\n"
    lines = "".join(f"    {rule}\n" for rule in _rules(served))
    hairpin = "".join(
        f"    {family} saddr {address} {family} daddr {address} masquerade\n"
        for _, addresses in served.values()
        for family, address in map(_with_family, addresses)
    )
    return f"""add table inet {TABLE}
delete table inet {TABLE}
table inet {TABLE} {{
  chain hostports {{
{lines}  }}
  chain prerouting {{
    type nat hook prerouting priority -101
    goto hostports
  }}
  chain output {{
    type nat hook output priority -101
    goto hostports
  }}
  chain postrouting {{
    type nat hook postrouting priority 99
{hairpin}  }}
}}
"""


def _with_family(address: str) -> tuple[str, str]:
    return ("ip6" if ":" in address else "ip"), address


def _rules(served: Served) -> Iterator[str]:
    for ports, addresses in served.values():
        for each in ports:
            for family, pod in map(_with_family, addresses):
                if each.address and (":" in each.address) != (family == "ip6"):
                    continue
                at = (
                    f"{family} daddr {each.address}"
                    if each.address
                    else f"fib daddr type local meta nfproto {_NF[family]}"
                )
                goal = f"[{pod}]" if family == "ip6" else pod
                yield f"{at} {each.protocol.lower()} dport {each.port} dnat {family} to {goal}:{each.container_port}"


_NF = {"ip": "ipv4", "ip6": "ipv6"}


class HostPorts:
    """Those of one node, in this network namespace."""

    def __init__(self) -> None:
        self._served: dict[str, tuple[Sequence[HostPort], Sequence[str]]] = {}

    def put(self, uid: str, ports: Sequence[HostPort], addresses: Sequence[str]) -> None:
        """Serve a pod's. Raises CalledProcessError with nft's words."""
        if ports:
            self._served[uid] = (ports, tuple(addresses))
            self._write()

    def remove(self, uid: str) -> None:
        """Serve a pod's no more."""
        if self._served.pop(uid, None):
            self._write()

    def _write(self) -> None:
        subprocess.run(["nft", "-f", "-"], input=ruleset(self._served), text=True, capture_output=True, check=True)
