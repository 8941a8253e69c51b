"""Frontends that read no requests: connections go on by the server name of their ClientHello.

A port that has such listeners is bound here, and what ends TLS stands behind it at sockets of our own: HTTPS in the
port's frontend for requests, TLS (mode Terminate) in one that hands on what was inside.
"""

from collections.abc import Iterable, Iterator, Sequence

from portway.routing.haproxy.ending import ending, secured
from portway.routing.haproxy.frontends import Share, bound, found, sent
from portway.routing.haproxy.place import Place
from portway.routing.haproxy.words import quoted
from portway.routing.table import Listener

_LOG = (
    '{"kind":"connection","at":%Ts.%ms,"took":%Tt,"client":"%ci","from":%cp,"address":"%fi","port":%fp,"in":%U,"out":%B,'
    '"target":"%[var(sess.to)]","section":"%b","server":"%s","end":"%ts","tls":"%[ssl_bc_err]",'
    '"listener":"%[var(sess.at)]","known":"%[var(sess.vh)]","name":"%[var(sess.name),json(utf8ps)]"}'
)


def passing_frontend(place: Place, port: int, listeners: Sequence[Listener], shares: Iterable[Share]) -> Iterator[str]:
    """Where connections are told by the server name of a ClientHello, and passed on."""
    here, ended = ending(listeners, "HTTPS"), ending(listeners, "TLS")
    yield f"frontend tls-{port}"
    yield "  mode tcp"
    yield f"  log-format {quoted(_LOG)}"
    for address in place.addresses:
        yield f"  bind {bound(address, port)}"
    yield "  tcp-request inspect-delay 10s"
    yield "  tcp-request content set-var(sess.name) req.ssl_sni,lower if { req.ssl_hello_type 1 }"
    yield from (f"  {line}" for line in _told(place, port))
    passing = " ".join(quoted(at.name) for at in listeners if at.protocol == "TLS" and not at.ends_tls)
    mine = f" unless {{ var(sess.at) -m str {passing} }}" if passing else ""
    yield f"  tcp-request content set-log-level silent{mine}"  # what stands behind tells of others
    for way, at in [*(("here", at) for at in here), *(("ended", at) for at in ended)]:
        yield f"  use_backend {way}-{port} if {{ var(sess.at) -m str {quoted(at.name)} }}"
    yield from (f"  {line}" for line in sent(place, "tcp-request content", "sess", shares))
    if here or ended:  # who names nobody's host is told so in TLS
        yield f"  default_backend {'here' if here else 'ended'}-{port}"
    if here:
        yield from _behind("here", port, place.seen(f"https-{port}.sock"))
    if ended:
        yield from _behind("ended", port, place.seen(f"ended-{port}.sock"))


def ended_frontend(place: Place, port: int, listeners: Sequence[Listener], shares: Iterable[Share]) -> Iterator[str]:
    """Where TLS ends, and what was inside goes on."""
    yield f"frontend ended-{port}"
    yield "  mode tcp"
    yield "  no option dontlognull"  # who has come here has shown itself in its handshake, whatever it says then
    yield f"  log-format {quoted(_LOG)}"
    secure = secured(place.folder, port, listeners, "TLS")
    yield f"  bind {place.bind(f'ended-{port}.sock')} accept-proxy{secure}"
    yield "  tcp-request content set-var(sess.name) ssl_fc_sni,lower"
    yield from (f"  {line}" for line in _told(place, port))
    yield from (f"  {line}" for line in sent(place, "tcp-request content", "sess", shares))


def _behind(way: str, port: int, socket: str) -> Iterator[str]:
    yield f"backend {way}-{port}"
    yield "  mode tcp"
    yield f"  server {way} unix@{socket} send-proxy-v2"


def _told(place: Place, port: int) -> Iterator[str]:
    """The way through the maps with the server name alone."""
    yield "tcp-request content set-var(sess.host) var(sess.name)"
    yield "tcp-request content set-var(sess.path) str(/)"
    yield from found(place, port, "tcp-request content", "sess")
