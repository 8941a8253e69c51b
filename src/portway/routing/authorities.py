"""Certificates of authorities, as `caCertificateRefs` and `wellKnownCACertificates` name them."""

from msgspec import Struct

from portway.routing.certificates import authorities
from portway.routing.documents import Doc, Documents, name_of
from portway.routing.references import Nowhere, Wanted, referred

SYSTEM = "System"


class Authorities(Struct, frozen=True):
    """Who may have signed a backend's certificate."""

    pem: str = ""
    """All whose references lead to one; nothing else that the ConfigMaps hold."""
    are_system: bool = False
    """Those that this machine trusts."""
    reason: str = ""
    """Of the first reference that leads to none: `InvalidCACertificateRef`, `InvalidKind`."""
    message: str = ""
    is_unknown: bool = False
    """A well-known set that nobody here knows."""


def authorities_of(documents: Documents, policy: Doc, validation: Doc) -> Authorities:
    """Of a BackendTLSPolicy's `spec.validation`."""
    references = validation.get("caCertificateRefs") or ()
    if not references:
        known = str(validation.get("wellKnownCACertificates") or "")
        if known == SYSTEM:
            return Authorities(are_system=True)
        return Authorities(message=f"wellKnownCACertificates {known!r} is not known here", is_unknown=True)
    read = [_referred(documents, policy, reference) for reference in references]
    bad = [one for one in read if one.reason]
    pem = "".join(dict.fromkeys(one.pem for one in read))
    return Authorities(pem, False, bad[0].reason if bad else "", "; ".join(one.message for one in bad))


_CONFIG_MAP = Wanted("ConfigMap", "InvalidKind", "InvalidCACertificateRef", implied=False)


def _referred(documents: Documents, policy: Doc, reference: Doc) -> Authorities:
    found = referred(documents, policy, reference, _CONFIG_MAP)
    if isinstance(found, Nowhere):
        return Authorities(reason=found.reason, message=found.message)
    pem, problem = authorities(found)
    if pem:
        return Authorities(pem)
    return Authorities(reason=_CONFIG_MAP.missing, message=f"ConfigMap {'/'.join(name_of(found))}: {problem}")
