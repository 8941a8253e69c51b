"""TLS contexts of certificates, kept as long as the certificate, and what is asked of clients, are the same."""

import ssl

from portway.gateway.pem import load
from portway.routing.table import Certificate, ClientValidation
from portway.routing.terms import still_hold

_Key = tuple[str, str, ClientValidation | None, bool]


class Ending(ssl.SSLContext):
    """What ends TLS. It has its own sessions: none that was begun on other terms is taken up again."""

    clients: ClientValidation | None = None
    """What the clients of its connections have shown; None: nothing that anybody has verified."""


class Contexts:
    """What a certificate is served with; made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[_Key, Ending] = {}

    def of(self, certificate: Certificate, clients: ClientValidation | None = None, *, http: bool = True) -> Ending:
        """`http`: requests come. Raises ssl.SSLError or ValueError for a certificate that cannot be used."""
        key = (certificate.chain, certificate.key, clients, http)
        if key not in self._made:
            context = _plain(http)
            load(context, certificate)
            if clients is not None and clients.is_required:
                _validate(context, clients)
            self._made[key] = context
        return self._made[key]

    def keep(self, wanted: set[tuple[Certificate, ClientValidation | None]]) -> None:
        """Forget all others."""
        known = {(certificate.chain, certificate.key, clients) for certificate, clients in wanted}
        self._made = {key: context for key, context in self._made.items() if key[:3] in known}


def refusing() -> Ending:
    """For a name that nobody has: the handshake says so."""
    context = _plain(True)
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    return context


def name_of(ssl_object: object) -> str:
    """The server name that this connection's client asked for."""
    return getattr(ssl_object, "asked_for", "")


def has_shown(ssl_object: object, wanted: ClientValidation | None) -> bool:
    """Whether this connection's client has shown what is wanted of it now."""
    context = getattr(ssl_object, "context", None)
    return still_hold(context.clients if isinstance(context, Ending) else None, wanted)


def _plain(http: bool) -> Ending:
    """A server's, without a certificate."""
    context = Ending(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if http:
        context.set_alpn_protocols(["h2", "http/1.1"])
    context.sni_callback = _remember
    return context


def _remember(ssl_object: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
    ssl_object.asked_for = (name or "").lower()  # type: ignore[attr-defined]  # read by `name_of`


def _validate(context: Ending, clients: ClientValidation) -> None:
    """Who need not show a certificate is not asked for one: Python's ssl takes none that it cannot verify."""
    context.load_verify_locations(cadata=clients.authorities)
    context.verify_mode = ssl.CERT_REQUIRED
    context.clients = clients
