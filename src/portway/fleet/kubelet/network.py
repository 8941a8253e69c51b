"""The network namespaces of a node's pods: made, found again after a restart, removed.

What belongs to which pod is remembered under /run, which only the world sees and which ends with it.
"""

import asyncio
import contextlib
import hashlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from portway.fleet import linux, wiring
from portway.fleet.config import NodePlan
from portway.fleet.kubelet.addresses import AddressPool

POD_INTERFACE = "v*"
"""What the node's ends of pods' veths are called."""
_MEMORY = Path("/run/portway")
_GATEWAY4, _GATEWAY6 = "169.254.1.1", "fe80::1"
_SYSCTLS = wiring.ONE_CLOCK | {
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/eth0/accept_dad": "0",
    "ipv4/conf/all/rp_filter": "0",
}


class PodNetworks:
    """All pod networks of one node. Used by one kubelet, from the node's network namespace."""

    def __init__(self, node: NodePlan) -> None:
        self._node = node
        self._pools = [AddressPool(cidr) for cidr in node.pod_cidrs]
        self._memory = _MEMORY / node.name
        self._memory.mkdir(parents=True, exist_ok=True)
        self.addresses = {uid: self._recall(uid) for uid in os.listdir(self._memory)}  # noqa: PTH208
        """Pod addresses by pod UID, the primary family first."""
        for known in self.addresses.values():
            self._claim(known)

    def _recall(self, uid: str) -> list[str]:
        return (self._memory / uid).read_text().split()

    def _claim(self, addresses: Sequence[str]) -> None:
        for pool, address in zip(self._pools, addresses, strict=False):
            pool.claim(address)

    def ensure(self, uid: str) -> list[str]:
        """The pod's addresses; its network is made when it is not there. PoolExhausted, CalledProcessError."""
        if uid in self.addresses and Path(wiring.path(wiring.pod_network(uid))).exists():
            return self.addresses[uid]
        addresses = self.addresses.get(uid) or [pool.take() for pool in self._pools]
        # Remembered first: whatever fails or dies from here on, the next kubelet finds and removes it.
        (self._memory / uid).write_text(" ".join(addresses))
        self.addresses[uid] = addresses
        self._make(uid, addresses)
        return addresses

    def _make(self, uid: str, addresses: Sequence[str]) -> None:
        network, link = wiring.pod_network(uid), link_name(uid)
        wiring.batch(
            [
                f"netns add {network}",
                f"link add {link} type veth peer name eth0 netns {network}",
                f"link set {link} addrgenmode none",
                f"link set {link} up",
                *(_node_line(link, address, own) for address, own in zip(addresses, self._node.addresses, strict=True)),
                *([f"address add {_GATEWAY6}/64 dev {link} nodad"] if any(":" in a for a in addresses) else []),
            ]
        )
        with linux.inside_network(wiring.path(network)):
            wiring.write_sysctls(_SYSCTLS)
            wiring.batch(["link set lo up", "link set eth0 up", *_pod_lines(addresses)])

    async def remove(self, uid: str) -> None:
        """End everything that runs in the pod's network, and the network; its addresses stay taken until `free`."""
        # In a thread: the kernel takes tens of milliseconds to delete a link.
        await asyncio.to_thread(_unmake, uid)

    def free(self, uid: str) -> None:
        """Another pod may have its addresses now."""
        for pool, address in zip(self._pools, self.addresses.pop(uid, []), strict=False):
            pool.release(address)
        (self._memory / uid).unlink(missing_ok=True)


def _unmake(uid: str) -> None:
    network = wiring.pod_network(uid)
    kill_inside(network)
    wiring.batch([f"link delete {link_name(uid)}", f"netns delete {network}"], force=True)


def link_name(uid: str) -> str:
    """The node's end of a pod's veth; interface names have at most 15 bytes."""
    return POD_INTERFACE[0] + hashlib.blake2b(uid.encode(), digest_size=6).hexdigest()


def _node_line(link: str, address: str, own: str) -> str:
    # src: what the node itself says to the pod (probes) comes from the node's address.
    length = 128 if ":" in address else 32
    return f"route add {address}/{length} dev {link} src {own}"


def _pod_lines(addresses: Sequence[str]) -> list[str]:
    lines = []
    for address in addresses:
        if ":" in address:
            lines += [f"address add {address}/128 dev eth0 nodad", f"route add default via {_GATEWAY6} dev eth0"]
        else:
            lines += [
                f"address add {address}/32 dev eth0",
                f"route add {_GATEWAY4} dev eth0 scope link",
                f"route add default via {_GATEWAY4} dev eth0",
            ]
    return lines


def kill_inside(network: str) -> None:
    """SIGKILL every process in a network namespace: children of a pod's processes that left their process group."""
    # A /proc that is not this PID namespace's would name other processes by these numbers.
    if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115
        return
    try:
        wanted = Path(wiring.path(network)).stat().st_ino
    except OSError:
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "ns/net").stat().st_ino == wanted:
                    os.kill(int(entry.name), signal.SIGKILL)
