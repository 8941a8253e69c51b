"""Requests on connections that an old worker still has: handed over to the new one, which knows what is now.

A reload leaves connections where they are, and HAProxy changes nothing any more in a worker that ends ("Proxy is
disabled"). An idle client may ask there a minute later, of pods that are long gone. So whatever comes while a worker
ends goes to a socket that the new one listens at, with the client's address and server name by the PROXY protocol; the
answer is the connection's last one. The last worker of all has nobody to hand over to, and is told so in a map.

With it goes on what terms the client was let in: a field with a mark for each authority that it may have been verified
by. A worker that no longer knows one of them answers 421, upon which the client makes a connection on the new terms.
"""

from collections.abc import Iterator

from portway.routing.answers import answer_text
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.words import digest, quoted
from portway.routing.table import ClientValidation
from portway.routing.terms import certificates

FILE = "last.map"
ENDING = "{ var(txn.again) -m found }"
"""The request is handed over: nothing else is to be decided."""


def told_last(folder: str) -> str:
    """The command for a worker that none will follow."""
    return f"add map {folder}/{FILE} last yes"


_TERMS = "x-portway-terms"
_NOBODY = "nobody-"
"""The mark of who was verified by nobody."""
_HANDED = "{ so_name -m str again }"
"""The request comes from an old worker."""
_MOST = 16
"""Marks that are told one by one: a field has to fit into what HAProxy's buffer has left."""


def handing_over(folder: str, clients: ClientValidation | None) -> Iterator[str]:
    """Rules of a frontend; the new worker's line of the log is the request's."""
    last = f"{{ str(last),map_str({folder}/{FILE}) -m found }}"
    yield f"http-request set-var(txn.again) bool(true) if {{ stopping }} !{last}"
    yield f"http-request set-log-level silent if {ENDING}"
    yield f"http-request set-header {_TERMS} {''.join(_told(clients))} if {ENDING} !{_HANDED}"


def _told(clients: ClientValidation | None) -> list[str]:
    """Marks."""
    if clients is None or not clients.is_required:
        return [_NOBODY]
    return _each(clients) if len(_each(clients)) <= _MOST else [_whole(clients)]


def _each(clients: ClientValidation) -> list[str]:
    return [f"{digest(one, length=32)}-" for one in certificates(clients.authorities)]


def _whole(clients: ClientValidation) -> str:
    return f"{digest(*sorted(certificates(clients.authorities)), length=32)}-"


def taking_over(place: Place, port: int) -> str:
    """Where a new worker gets them."""
    return f"{place.bind(_socket(port))} accept-proxy name again"


def taken_over(clients: ClientValidation | None) -> Iterator[str]:
    """Rules for them: as `still_hold`, nothing is left of the terms when known marks are taken out."""
    if clients is not None and clients.is_required:
        known = "".join(f",regsub({mark},)" for mark in (_whole(clients), *_each(clients)))
        said = f"content-type 'text/plain; charset=utf-8' string {quoted(answer_text('MISDIRECTED'))}"
        unknown = f"!{{ req.hdr({_TERMS}){known} -m len 0 }}"
        yield f"http-request return status 421 {said} if {_HANDED} {unknown} !{ENDING}"
    yield f"http-request del-header {_TERMS} if {_HANDED} !{ENDING}"


def again(place: Place, port: int) -> Iterator[str]:
    """The backend that is the new worker."""
    yield f"backend again-{port}"
    yield "  http-reuse never"
    yield f"  server again unix@{place.seen(_socket(port))} send-proxy-v2 proxy-v2-options authority"


def _socket(port: int) -> str:
    return f"again-{port}.sock"
