"""TLS contexts of certificates, kept as long as the certificate is the same."""

import os
import ssl
from collections.abc import Callable

from portway.routing.table import Certificate

Choose = Callable[[str], Certificate | None]
"""By server name."""


class Contexts:
    """What a certificate is served with; made when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], ssl.SSLContext] = {}

    def of(self, certificate: Certificate) -> ssl.SSLContext:
        """Raises ssl.SSLError or ValueError for one that cannot be used."""
        key = (certificate.chain, certificate.key)
        if key not in self._made:
            context = plain()
            _load(context, certificate)
            self._made[key] = context
        return self._made[key]

    def keep(self, certificates: list[Certificate]) -> None:
        """Forget all others."""
        wanted = {(one.chain, one.key) for one in certificates}
        self._made = {key: context for key, context in self._made.items() if key in wanted}


def plain() -> ssl.SSLContext:
    """A server's, without a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def choosing(choose: Choose, contexts: Contexts) -> ssl.SSLContext:
    """A context that looks for its certificate at each handshake, and so never has to be replaced."""
    context = plain()

    def by_name(ssl_object: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> int | None:
        ssl_object.asked_for = (name or "").lower()  # type: ignore[attr-defined]  # read by `name_of`
        certificate = choose((name or "").lower())
        if certificate is None:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        try:
            ssl_object.context = contexts.of(certificate)
        except (ssl.SSLError, ValueError):
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        return None

    context.sni_callback = by_name
    return context


def name_of(ssl_object: object) -> str:
    """The server name that this connection's client asked for."""
    return getattr(ssl_object, "asked_for", "")


def _load(context: ssl.SSLContext, certificate: Certificate) -> None:
    """By files in memory: OpenSSL reads from paths only, and keys stay off disks."""
    chain, key = _in_memory(certificate.chain), _in_memory(certificate.key)
    try:
        context.load_cert_chain(f"/proc/self/fd/{chain}", f"/proc/self/fd/{key}")
    finally:
        os.close(chain)
        os.close(key)


def _in_memory(text: str) -> int:
    file = os.memfd_create("pem", os.MFD_CLOEXEC)
    os.write(file, text.encode())
    return file
