"""What a Gateway wants its clients to show: `spec.tls.frontend`, by port, at every listener where their TLS ends.

A listener whose clients cannot be told from others serves nobody. Source: Gateway API 1.6, FrontendTLSConfig and the
types below it (apis/v1/gateway_types.go), which speak of HTTPS; what ends TLS for a TLSRoute is guarded as well here.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from portway.routing.certificates import authorities
from portway.routing.documents import Doc, Documents, name_of, spec
from portway.routing.listeners import Judged, ends_tls, unresolved
from portway.routing.references import Nowhere, Wanted, referred
from portway.routing.reports import Condition
from portway.routing.table import ClientValidation

INSECURE = "AllowInsecureFallback"


class _Found(Struct, frozen=True):
    """What `caCertificateRefs` lead to."""

    authorities: tuple[str, ...] = ()
    """PEM."""
    problem: Condition | None = None
    """Of the first reference that leads nowhere."""


def guarded(documents: Documents, gateway: Doc, listeners: Sequence[Judged]) -> list[Judged]:
    """The listeners of a Gateway or of a ListenerSet at it, with what their clients must show."""
    return [_guarded(documents, gateway, at) for at in listeners]


def insecure(gateway: Doc) -> tuple[Condition, ...]:
    """That some port serves whoever comes, although somebody wrote down whom to trust."""
    ports = [name for name, tls in _configured(gateway) if (tls.get("validation") or {}).get("mode") == INSECURE]
    if not ports:
        return ()
    why = f"{', '.join(ports)}: mode {INSECURE}: clients are served without valid certificates"
    return (Condition("InsecureFrontendValidationMode", True, "ConfigurationChanged", why),)


def _frontend(gateway: Doc) -> Doc:
    return (spec(gateway).get("tls") or {}).get("frontend") or {}


def _configured(gateway: Doc) -> Iterator[tuple[str, Doc]]:
    frontend = _frontend(gateway)
    yield "spec.tls.frontend.default", frontend.get("default") or {}
    for number, one in enumerate(frontend.get("perPort") or ()):
        yield f"spec.tls.frontend.perPort[{number}]", one.get("tls") or {}


def _validation(gateway: Doc, port: int) -> Doc | None:
    """What a port has of its own goes before the default, even if that is nothing."""
    frontend = _frontend(gateway)
    own = [one.get("tls") or {} for one in frontend.get("perPort") or () if one.get("port") == port]
    return (own[0] if own else frontend.get("default") or {}).get("validation")


def _guarded(documents: Documents, gateway: Doc, listener: Judged) -> Judged:
    validation = _validation(gateway, listener.document["port"])
    if validation is None or not ends_tls(listener.document):
        return listener
    found = _found(documents, gateway, validation.get("caCertificateRefs") or ())
    if found.problem is not None and listener.resolved.status:
        listener = replace(listener, resolved=found.problem)
    if not found.authorities:
        why = f"nobody's certificate can be trusted: {found.problem.message if found.problem else 'no references'}"
        refused = Condition("Accepted", False, "NoValidCACertificate", why)
        return replace(listener, accepted=refused if listener.accepted.status else listener.accepted)
    required = validation.get("mode") != INSECURE
    return replace(listener, clients=ClientValidation("".join(found.authorities), required))


def _found(documents: Documents, gateway: Doc, references: Sequence[Doc]) -> _Found:
    results = [_authorities(documents, gateway, reference) for reference in references]
    problems = [result for result in results if isinstance(result, Condition)]
    return _Found(tuple(result for result in results if isinstance(result, str)), next(iter(problems), None))


_CONFIG_MAP = Wanted("ConfigMap", "InvalidCACertificateKind", "InvalidCACertificateRef")


def _authorities(documents: Documents, gateway: Doc, reference: Doc) -> str | Condition:
    config_map = referred(documents, gateway, reference, _CONFIG_MAP)
    if isinstance(config_map, Nowhere):
        return unresolved(config_map.reason, config_map.message)
    pem, problem = authorities(config_map)
    return pem or unresolved(_CONFIG_MAP.missing, f"ConfigMap {'/'.join(name_of(config_map))}: {problem}")
