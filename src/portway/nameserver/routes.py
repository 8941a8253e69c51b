"""Who is asked for a name, and by which sockets: nobody beyond the fleet and the host's own resolvers."""

import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

from portway.dns.name import Name
from portway.dns.stubs import Address, Stubs, stubs
from portway.kubeapi.errors import Doc

log = logging.getLogger(__name__)


class Routes:
    """Servers by name: stub domains, else the host's resolvers. Never our own doors."""

    def __init__(
        self,
        host: Callable[[], Sequence[Address]],
        own: Sequence[Address] = (),
        inside: Iterable[str] = (),
        borrow: Callable[[int, int], Awaitable[socket.socket]] | None = None,
    ) -> None:
        """`host`: its resolvers now. `inside`: CIDRs that sockets reach which `borrow(family, kind)` gives."""
        self._host, self._own, self._borrow = host, own, borrow
        self._inside = [ipaddress.ip_network(cidr) for cidr in inside]
        self._stubs = Stubs()
        self._refused: set[Address] = set()

    def configure(self, config_map: Doc | None) -> None:
        """Stub domains are what this ConfigMap says; None: there are none."""
        self._stubs, problems = stubs(config_map) if config_map is not None else (Stubs(), [])
        self._refused.clear()
        for problem in problems:
            log.warning("ConfigMap kube-system/kube-dns: %s", problem)

    def servers(self, name: Name) -> list[Address]:
        """Who may be asked for a lower-case name."""
        host = self._host()
        wanted = self._stubs.servers(name) or host
        return [server for server in wanted if server not in self._own and self._allowed(server, host)]

    def _allowed(self, server: Address, host: Sequence[Address]) -> bool:
        allowed = self._is_inside(server) or any(server[0] == address for address, _ in host)
        if not allowed and server not in self._refused:
            self._refused.add(server)
            log.warning("%s is not asked: it is neither in the fleet nor a nameserver of this machine's", server[0])
        return allowed

    def _is_inside(self, server: Address) -> bool:
        ip = _ip(server)
        return any(ip.version == network.version and ip in network for network in self._inside)

    async def socket(self, server: Address, kind: int) -> socket.socket:
        """An unconnected socket that reaches it; OSError when there is none."""
        family = socket.AF_INET6 if _ip(server).version == 6 else socket.AF_INET
        if not self._is_inside(server):
            return socket.socket(family, kind | socket.SOCK_NONBLOCK)
        if self._borrow is None:
            raise OSError("no socket of the fleet's to ask by")
        return await self._borrow(family, kind)


def _ip(server: Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(server[0].partition("%")[0])
