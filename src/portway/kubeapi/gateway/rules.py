"""What fields may be together: the definitions' CEL rules, one function a Type, in their own words."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gateway.walk import objects

Messages = Iterator[str]


def check(schema: str, document: Doc) -> Iterator[FieldError]:
    """Every rule of every object; needs a document whose structure is right."""
    for type_name, value, path in objects(schema, document):
        for field, rule in RULES.get(type_name, ()):
            at, subject = (f"{path}.{field}", value.get(field)) if field else (path, value)
            for message in rule(subject) if subject is not None else ():
                shown = "array" if isinstance(subject, list) else "object"
                yield FieldError("FieldValueInvalid", at, message, f'"{shown}"')


def _listeners(listeners: list[Doc]) -> Messages:
    for listener in listeners:
        yield from _listener(listener["protocol"], listener.get("tls"), listener.get("hostname"))
    places = Counter((at["port"], at["protocol"], at.get("hostname")) for at in listeners)
    if max(places.values()) > 1:
        yield "Combination of port, protocol and hostname must be unique for each listener"


def _listener(protocol: str, tls: Doc | None, hostname: str | None) -> Messages:
    if protocol in ("HTTP", "TCP", "UDP") and tls is not None:
        yield "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"
    if protocol == "HTTPS" and tls is not None and tls["mode"] != "Terminate":
        yield "tls mode must be Terminate for protocol HTTPS"
    if protocol == "TLS" and tls is None:
        yield "tls mode must be set for protocol TLS"
    if protocol in ("TCP", "UDP") and hostname:
        yield "hostname must not be specified for protocols ['TCP', 'UDP']"


def _listener_tls(tls: Doc) -> Messages:
    if tls["mode"] == "Terminate" and not tls.get("certificateRefs") and not tls.get("options"):
        yield "certificateRefs or options must be specified when mode is Terminate"


def _addresses(addresses: list[Doc]) -> Messages:
    given = Counter((address["type"], address["value"]) for address in addresses if address.get("value"))
    for type_ in ("IPAddress", "Hostname"):
        if any(count > 1 for (of, _), count in given.items() if of == type_):
            yield f"{type_} values must be unique"


_HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_is_hostname = re.compile(_HOSTNAME).search


def _address(address: Doc) -> Messages:
    if address["type"] == "Hostname" and address.get("value") and not _is_hostname(address["value"]):
        yield f"Hostname value must be empty or contain only valid characters (matching {_HOSTNAME})"


def _parents(parents: list[Doc]) -> Messages:
    yield from _distinct(parents, "parentRefs includes 2 or more references to the same parent")


def _targets(targets: list[Doc]) -> Messages:
    yield from _distinct(targets, "targetRefs includes 2 or more references to the same target")


def _distinct(references: list[Doc], when: str) -> Messages:
    by_object: dict[tuple[Any, ...], list[str]] = {}
    for reference in references:
        key = (reference["group"], reference["kind"], reference.get("namespace") or "", reference["name"])
        by_object.setdefault(key, []).append(reference.get("sectionName") or "")
    if any("" in sections and len(set(sections)) > 1 for sections in by_object.values()):
        yield f"sectionName must be specified when {when}"
    if any(len(set(sections)) < len(sections) for sections in by_object.values()):
        yield f"sectionName must be unique when {when}"


def _authorities(validation: Doc) -> Messages:
    given = bool(validation.get("caCertificateRefs")), bool(validation.get("wellKnownCACertificates"))
    if all(given):
        yield "must not contain both CACertificateRefs and WellKnownCACertificates"
    if not any(given):
        yield "must specify either CACertificateRefs or WellKnownCACertificates"


def _alternative_name(name: Doc) -> Messages:
    for type_, field in (("Hostname", "hostname"), ("URI", "uri")):
        if name["type"] == type_ and not name.get(field):
            yield f"SubjectAltName element must contain {type_}, if Type is set to {type_}"
        if name["type"] != type_ and name.get(field):
            yield f"SubjectAltName element must not contain {type_}, if Type is not set to {type_}"


_PATH_TYPES = ("Exact", "PathPrefix")
_PATH_CHARACTERS = "^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$"
_is_path = re.compile(_PATH_CHARACTERS).search


def _path(path: Doc) -> Messages:
    text, when = path["value"], "when type one of ['Exact', 'PathPrefix']"
    if path["type"] not in _PATH_TYPES:
        return
    if not text.startswith("/"):
        yield f"value must be an absolute path and start with '/' {when}"
    yield from (
        f"must not contain '{part}' {when}" for part in ("//", "/./", "/../", "%2f", "%2F", "#") if part in text
    )
    yield from (f"must not end with '{end}' {when}" for end in ("/..", "/.") if text.endswith(end))
    if not _is_path(text):
        yield f"must only contain valid characters (matching {_PATH_CHARACTERS}) for types ['Exact', 'PathPrefix']"


_FILTER_FIELDS = {
    "cors": "CORS",
    "requestHeaderModifier": "RequestHeaderModifier",
    "responseHeaderModifier": "ResponseHeaderModifier",
    "requestMirror": "RequestMirror",
    "requestRedirect": "RequestRedirect",
    "urlRewrite": "URLRewrite",
    "extensionRef": "ExtensionRef",
}


def _filter(filter_: Doc) -> Messages:
    for field, type_ in _FILTER_FIELDS.items():
        given = filter_.get(field) is not None
        if given and filter_["type"] != type_:
            yield f"filter.{field} must be nil if the filter.type is not {type_}"
        if not given and filter_["type"] == type_:
            yield f"filter.{field} must be specified for {type_} filter.type"


def _filters(filters: list[Doc]) -> Messages:
    counts = Counter(filter_["type"] for filter_ in filters)
    if counts["RequestRedirect"] and counts["URLRewrite"]:
        yield "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
    for type_ in ("CORS", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite"):
        if counts[type_] > 1:
            yield f"{type_} filter cannot be repeated"


def _replaces_prefix(filters: list[Doc], field: str) -> bool:
    paths = [(filter_.get(field) or {}).get("path") or {} for filter_ in filters]
    return any(path.get("type") == "ReplacePrefixMatch" for path in paths)


def _http_rule(rule: Doc) -> Messages:
    filters, backends = rule.get("filters") or [], rule.get("backendRefs") or []
    if backends and any(filter_.get("requestRedirect") for filter_ in filters):
        yield "RequestRedirect filter must not be used together with backendRefs"
    matches = rule["matches"]
    if len(matches) == 1 and matches[0]["path"]["type"] == "PathPrefix":
        return
    inner = [filter_ for backend in backends for filter_ in backend.get("filters") or []]
    for field, name in (("requestRedirect", "RequestRedirect"), ("urlRewrite", "URLRewrite")):
        said = f"using {name} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified"
        if _replaces_prefix(filters, field):
            yield f"When {said}"
        if _replaces_prefix(inner, field):
            yield f"Within backendRefs, when {said}"


def _http_rules(rules: list[Doc]) -> Messages:
    if sum(len(rule.get("matches") or []) for rule in rules) > 128:
        yield (
            "While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a "
            "route must be less than 128"
        )


def _backend(backend: Doc) -> Messages:
    if (backend["group"], backend["kind"]) == ("", "Service") and backend.get("port") is None:
        yield "Must have port for Service reference"


def _path_modifier(path: Doc) -> Messages:
    for field in ("replaceFullPath", "replacePrefixMatch"):
        type_ = field[0].upper() + field[1:]
        if path["type"] == type_ and path.get(field) is None:
            yield f"{field} must be specified when type is set to '{type_}'"
        if path["type"] != type_ and path.get(field) is not None:
            yield f"type must be '{type_}' when {field} is set"


def _mirror(mirror: Doc) -> Messages:
    if mirror.get("percent") is not None and mirror.get("fraction") is not None:
        yield "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter"


def _fraction(fraction: Doc) -> Messages:
    if fraction["numerator"] > fraction["denominator"]:
        yield "numerator must be less than or equal to denominator"


def _cors_origins(origins: list[str]) -> Messages:
    if "*" in origins and len(origins) > 1:
        yield "AllowOrigins cannot contain '*' alongside other origins"


def _cors_methods(methods: list[str]) -> Messages:
    if "*" in methods and len(methods) > 1:
        yield "AllowMethods cannot contain '*' alongside other methods"


def _cors_headers(headers: list[str]) -> Messages:
    if "*" in headers and len(headers) > 1:
        yield "AllowHeaders cannot contain '*' alongside other methods"


_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def milliseconds(duration: str) -> int:
    """A GEP-2257 duration: `1h10m`, `500ms`."""
    return sum(int(number) * _MILLISECONDS[unit] for number, unit in re.findall("([0-9]+)(h|ms|m|s)", duration))


def _timeouts(timeouts: Doc) -> Messages:
    request, backend = timeouts.get("request"), timeouts.get("backendRequest")
    if request and backend and 0 < milliseconds(request) < milliseconds(backend):
        yield "backendRequest timeout cannot be longer than request timeout"


_is_grpc_service = re.compile(r"^\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$", re.IGNORECASE).search
_is_grpc_method = re.compile("^[A-Za-z_][A-Za-z_0-9]*$").search


def _grpc_method(method: Doc) -> Messages:
    service, name = method.get("service"), method.get("method")
    if service is None and name is None:
        yield "One or both of 'service' or 'method' must be specified"
    if method["type"] != "Exact":
        return
    if service is not None and not _is_grpc_service(service):
        yield r"service must only contain valid characters (matching ^(?i)\.?[a-z_][a-z_0-9]*(\.[a-z_][a-z_0-9]*)*$)"
    if name is not None and not _is_grpc_method(name):
        yield "method must only contain valid characters (matching ^[A-Za-z_][A-Za-z_0-9]*$)"


Rule = tuple[str, Callable[[Any], Messages]]
_BACKEND: Rule = ("", _backend)
_L4: tuple[Rule, ...] = (("parentRefs", _parents),)

RULES: Mapping[str, tuple[Rule, ...]] = {
    "GatewaySpec": (("listeners", _listeners), ("addresses", _addresses)),
    "ListenerSetSpec": (("listeners", _listeners),),
    "GatewaySpecAddress": (("", _address),),
    "ListenerTLSConfig": (("", _listener_tls),),
    "HTTPRouteSpec": (*_L4, ("rules", _http_rules)),
    "GRPCRouteSpec": (*_L4, ("rules", _http_rules)),
    "TCPRouteSpec": _L4,
    "UDPRouteSpec": _L4,
    "TLSRouteSpec": _L4,
    "BackendTLSPolicySpec": (("targetRefs", _targets),),
    "BackendTLSPolicyValidation": (("", _authorities),),
    "gateway.SubjectAltName": (("", _alternative_name),),
    "HTTPRouteRule": (("", _http_rule), ("filters", _filters)),
    "GRPCRouteRule": (("filters", _filters),),
    "HTTPPathMatch": (("", _path),),
    "HTTPRouteFilter": (("", _filter),),
    "GRPCRouteFilter": (("", _filter),),
    "HTTPBackendRef": (_BACKEND, ("filters", _filters)),
    "GRPCBackendRef": (_BACKEND, ("filters", _filters)),
    "gateway.BackendRef": (_BACKEND,),
    "BackendObjectReference": (_BACKEND,),
    "HTTPPathModifier": (("", _path_modifier),),
    "HTTPRequestMirrorFilter": (("", _mirror),),
    "gateway.Fraction": (("", _fraction),),
    "HTTPCORSFilter": (
        ("allowOrigins", _cors_origins),
        ("allowMethods", _cors_methods),
        ("allowHeaders", _cors_headers),
    ),
    "HTTPRouteTimeouts": (("", _timeouts),),
    "GRPCMethodMatch": (("", _grpc_method),),
}
"""By Type: on which of its fields (empty: the object itself), and the rule."""
