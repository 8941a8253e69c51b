"""Certificates of authorities, as `caCertificateRefs` and `wellKnownCACertificates` name them."""

from msgspec import Struct

from portway.routing.certificates import authorities
from portway.routing.documents import Doc, Documents

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


def authorities_of(documents: Documents, namespace: str, validation: Doc) -> Authorities:
    """Of a BackendTLSPolicy's `spec.validation`."""
    references = validation.get("caCertificateRefs") or ()
    if not references:
        known = str(validation.get("wellKnownCACertificates") or "")
        if known == SYSTEM:
            return Authorities(are_system=True)
        return Authorities(message=f"wellKnownCACertificates {known!r} is not known here", is_unknown=True)
    read = [_referred(documents, namespace, reference) for reference in references]
    bad = [one for one in read if one.reason]
    pem = "".join(dict.fromkeys(one.pem for one in read))
    return Authorities(pem, False, bad[0].reason if bad else "", "; ".join(one.message for one in bad))


def _referred(documents: Documents, namespace: str, reference: Doc) -> Authorities:
    group, kind, name = (str(reference.get(field) or "") for field in ("group", "kind", "name"))
    if (group, kind) != ("", "ConfigMap"):
        return Authorities(reason="InvalidKind", message=f"{kind}{group and '.' + group} {name} is no ConfigMap")
    found = documents.config_maps.get((namespace, name))
    if found is None:
        return _invalid(f"ConfigMap {namespace}/{name} does not exist")
    pem, problem = authorities(found)
    return Authorities(pem) if pem else _invalid(f"ConfigMap {namespace}/{name}: {problem}")


def _invalid(message: str) -> Authorities:
    return Authorities(reason="InvalidCACertificateRef", message=message)
