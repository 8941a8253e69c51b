"""What a person names on the command line: a destination to dial and a place to dial from."""

import ipaddress
import re
from typing import Literal

from msgspec import Struct

from portway.model import Protocol

PROTOCOLS: dict[str, Protocol] = {"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
_SERVICE = re.compile(r"^svc/(?P<namespace>[^/:]+)/(?P<name>[^/:]+):(?P<port>[^/:]+)$")
_SOCKET = re.compile(r"^(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^/:\[\]]+)):(?P<port>\d+)$")
_POD = re.compile(r"^pod/(?P<namespace>[^/]+)/(?P<name>[^/]+)$")

TARGET_FORMS = (
    "node-1:32100, svc/NAMESPACE/NAME:PORT (a number or a name), NAME.NAMESPACE:PORT or ADDRESS:PORT, with /udp for UDP"
)
PLACE_FORMS = "outside, an outside ADDRESS or CIDR, node/NAME or pod/NAMESPACE/NAME"


class Target(Struct, frozen=True):
    """A destination as written; `host` is a node's name or an address, `service` a (namespace, name)."""

    text: str
    port: str
    """A number, or for Services a port's name."""
    protocol: Protocol | None = None
    """None: what the Service says, TCP elsewhere."""
    host: str = ""
    service: tuple[str, str] | None = None


class Place(Struct, frozen=True):
    """Where a client is."""

    kind: Literal["outside", "node", "pod"]
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


def parse_target(text: str) -> Target:
    """Reads a TARGET. Raises ValueError naming the forms."""
    address, slash, suffix = text.rpartition("/")
    protocol = PROTOCOLS.get(suffix.lower()) if slash else None
    plain = address if protocol else text
    if match := _SERVICE.match(plain):
        return Target(text, match["port"], protocol, service=(match["namespace"], match["name"]))
    if (match := _SOCKET.match(plain)) and 0 < int(match["port"]) < 65536:
        return Target(text, match["port"], protocol or "TCP", host=match["v6"] or match["host"])
    raise ValueError(f"{text!r} is not a target; write {TARGET_FORMS}")


def _client_address(text: str) -> str:
    """An address, or the first host of a CIDR; empty for anything else."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    return str(network[0] if network.num_addresses == 1 else network[1])


def parse_place(text: str) -> Place:
    """Reads a place. Raises ValueError naming the forms."""
    if text == "outside":
        return Place("outside")
    if address := _client_address(text):
        return Place("outside", address)
    if text.startswith("node/") and text.count("/") == 1 and text != "node/":
        return Place("node", text.removeprefix("node/"))
    if match := _POD.match(text):
        return Place("pod", match["name"], match["namespace"])
    raise ValueError(f"{text!r} is not a place; write {PLACE_FORMS}")
