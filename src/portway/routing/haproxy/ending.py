"""Where clients' TLS ends: the words of a bind, and the files that these name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portway.routing.haproxy.words import authorities_file, certificate_file
from portway.routing.hosts import clients_of, covers, specificity
from portway.routing.table import Certificate, ClientValidation, Listener, ListenerProtocol

_ALPN: Mapping[ListenerProtocol, str] = {"HTTPS": " alpn h2,http/1.1"}
"""What is offered; nobody here knows what bytes are that are handed on."""


def ending(listeners: Iterable[Listener], protocol: ListenerProtocol) -> list[Listener]:
    """Those of a port at which TLS ends and the same comes out."""
    return [at for at in listeners if at.protocol == protocol and at.ends_tls]


def secured(folder: str, port: int, listeners: Sequence[Listener], protocol: ListenerProtocol) -> str:
    """Of a bind. Whoever names no host that a listener has is refused, unless one has any."""
    here = ending(listeners, protocol)
    strict = "" if any(not at.hostname and at.certificates for at in here) else " strict-sni"
    words = f" ssl crt-list {folder}/{crt_list(port, protocol)}{_ALPN.get(protocol, '')}{strict}"
    clients = clients_of(listeners)
    if clients is None:
        return words
    return f"{words} ca-file {folder}/{authorities_file(clients.authorities)} {_verify(clients)}"


def _verify(clients: ClientValidation) -> str:
    return "verify required" if clients.is_required else "verify optional crt-ignore-err all ca-ignore-err all"


def crt_list(port: int, protocol: ListenerProtocol) -> str:
    """The file with a port's certificates."""
    return f"crt-list-{port}" if protocol == "HTTPS" else f"crt-list-{protocol.lower()}-{port}"


def crt_lists(
    folder: str, ports: Mapping[int, Sequence[Listener]], certificates: Mapping[str, Certificate]
) -> dict[str, str]:
    """Those that binds name."""
    found = {}
    for port, here in ports.items():
        for protocol in ("HTTPS", "TLS"):
            if ends := ending(here, protocol):
                found[crt_list(port, protocol)] = _list(folder, certificates, ends)
    return found


def _list(folder: str, certificates: Mapping[str, Certificate], listeners: Iterable[Listener]) -> str:
    """Certificates, the default one first: whoever names no host, or one that nobody covers, gets that."""
    ordered = sorted(listeners, key=lambda at: specificity(at.hostname))
    return "".join(f"{line}\n" for listener in ordered for line in _lines(folder, certificates, listener))


def _lines(folder: str, certificates: Mapping[str, Certificate], listener: Listener) -> Iterator[str]:
    there = [name for name in listener.certificates if name in certificates]
    for number, name in enumerate(there):
        names = [host for host in certificates[name].hosts if _within(listener.hostname, host)]
        own = [listener.hostname] if listener.hostname and number == 0 else []
        filters = " ".join(dict.fromkeys([*own, *names]))
        if filters or number == 0:
            yield f"{folder}/{certificate_file(name)} {filters}".rstrip()


def _within(listener: str, host: str) -> bool:
    return bool(host) and (listener == host or covers(listener, host.removeprefix("*.")) or not listener)
