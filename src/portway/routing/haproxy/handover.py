"""Requests on connections that an old worker still has: handed over to the new one, which knows what is now.

A reload leaves connections where they are, and HAProxy changes nothing any more in a worker that ends ("Proxy is
disabled"). An idle client may ask there a minute later, of pods that are long gone. So whatever comes while a worker
ends goes to a socket that the new one listens at, with the client's address and server name by the PROXY protocol; the
answer is the connection's last one. The last worker of all has nobody to hand over to, and is told so in a map.
"""

from collections.abc import Iterator

from portway.routing.haproxy.place import Place
from portway.routing.haproxy.words import digest
from portway.routing.table import ClientValidation

FILE = "last.map"
ENDING = "{ var(txn.again) -m found }"
"""The request is handed over: nothing else is to be decided."""


def told_last(folder: str) -> str:
    """The command for a worker that none will follow."""
    return f"add map {folder}/{FILE} last yes"


def handing_over(folder: str) -> Iterator[str]:
    """Rules of a frontend; the new worker's line of the log is the request's."""
    last = f"{{ str(last),map_str({folder}/{FILE}) -m found }}"
    yield f"http-request set-var(txn.again) bool(true) if {{ stopping }} !{last}"
    yield f"http-request set-log-level silent if {ENDING}"


def taking_over(place: Place, port: int, clients: ClientValidation | None) -> str:
    """Where a new worker gets them, if it asks of clients what the old one did."""
    return f"{place.bind(_socket(port, clients))} accept-proxy"


def again(place: Place, port: int, clients: ClientValidation | None) -> Iterator[str]:
    """The backend that is the new worker; a new one that wants other certificates of clients cannot be reached."""
    yield f"backend again-{port}"
    yield "  http-reuse never"
    yield f"  server again unix@{place.seen(_socket(port, clients))} send-proxy-v2 proxy-v2-options authority"


def _socket(port: int, clients: ClientValidation | None) -> str:
    mark = "" if clients is None or not clients.is_required else f"-{digest(clients.authorities)}"
    return f"again-{port}{mark}.sock"
