"""What a field may be by itself: patterns, lengths, ranges and values, in the words of structural schemas.

Source of the texts: k8s.io/apiextensions-apiserver pkg/apiserver/validation, k8s.io/kube-openapi pkg/validation/errors.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gateway.walk import objects
from portway.kubeapi.schema import TYPES, Field

Found = Iterator[FieldError]


class Rule(Struct, frozen=True):
    """Limits of a value, or of each item of a list for `pattern`, `least` and `most` of strings."""

    pattern: str = ""
    least: int | None = None
    """The shortest string, the smallest number."""
    most: int | None = None
    few: int = 0
    """The fewest items of a list or map."""
    many: int | None = None
    one_of: tuple[Any, ...] = ()


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS = rf"{_LABEL}(\.{_LABEL})*"
_PORT = Rule(least=1, most=65535)
_NAME = Rule(least=1, most=253)
_SECTION = Rule(f"^{_DNS}$", 1, 253)
_NAMESPACE = Rule(f"^{_LABEL}$", 1, 63)
_GROUP = Rule(f"^$|^{_DNS}$", most=253)
_KIND = Rule("^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", 1, 63)
_CONTROLLER = Rule(rf"^{_DNS}\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$", 1, 253)
_HOSTNAME = Rule(rf"^(\*\.)?{_DNS}$", 1, 253)
_PRECISE_HOSTNAME = Rule(f"^{_DNS}$", 1, 253)
_HOSTNAMES = Rule(_HOSTNAME.pattern, 1, 253, many=16)
_TOKEN = Rule(r"^[A-Za-z0-9!#$%&'*+\-.^_\x60|~]+$", 1, 256)
_TOKENS = Rule(_TOKEN.pattern, 1, 256, many=64)
_DURATION = Rule("^([0-9]{1,5}(h|m|s|ms)){1,4}$")
_ADDRESS_TYPE = Rule(rf"^Hostname|IPAddress|NamedAddress|{_DNS}\/[A-Za-z0-9\/\-._~%!$&'()*+,;=:]+$", 1, 253)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*")
_PROTOCOL = Rule(rf"^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|{_DNS}\/[A-Za-z0-9]+$", 1, 255)

_REFERENCE = {"group": _GROUP, "kind": _KIND, "name": _NAME, "namespace": _NAMESPACE}
_BACKEND = {**_REFERENCE, "port": _PORT}
_WEIGHTED = {**_BACKEND, "weight": Rule(least=0, most=1_000_000), "filters": Rule(many=16)}
_PARENTS = {"parentRefs": Rule(many=32)}
_L4 = {**_PARENTS, "rules": Rule(few=1, many=1)}
_VALUE = {"name": _TOKEN, "value": Rule(least=1, most=4096)}

RULES: Mapping[str, Mapping[str, Rule]] = {
    "GatewayClassSpec": {"controllerName": _CONTROLLER, "description": Rule(most=64)},
    "GatewayClassStatus": {"conditions": Rule(many=8), "supportedFeatures": Rule(many=64)},
    "gateway.ParametersReference": _REFERENCE,
    "gateway.LocalParametersReference": _REFERENCE,
    "gateway.ObjectReference": _REFERENCE,
    "SecretObjectReference": _REFERENCE,
    "GatewaySpec": {
        "addresses": Rule(many=16),
        "gatewayClassName": _NAME,
        "listeners": Rule(few=1, many=64),
    },
    "ListenerSetSpec": {"listeners": Rule(few=1, many=64)},
    "ListenerSetStatus": {"conditions": Rule(many=8), "listeners": Rule(many=64)},
    "ParentGatewayReference": _REFERENCE,
    "GatewaySpecAddress": {"type": _ADDRESS_TYPE, "value": Rule(most=253)},
    "GatewayStatusAddress": {"type": _ADDRESS_TYPE, "value": Rule(least=1, most=253)},
    "GatewayInfrastructure": {"annotations": Rule(many=16), "labels": Rule(many=8)},
    "Listener": {"hostname": _HOSTNAME, "name": _SECTION, "port": _PORT, "protocol": _PROTOCOL},
    "AllowedRoutes": {"kinds": Rule(many=8)},
    "RouteGroupKind": {"group": _GROUP, "kind": _KIND},
    "ListenerTLSConfig": {"certificateRefs": Rule(many=64), "options": Rule(many=16)},
    "FrontendTLSConfig": {"perPort": Rule(many=64)},
    "FrontendTLSPort": {"port": _PORT},
    "FrontendTLSValidation": {"caCertificateRefs": Rule(few=1, many=16)},
    "GatewayStatus": {"addresses": Rule(many=16), "conditions": Rule(many=8), "listeners": Rule(many=64)},
    "ListenerStatus": {"conditions": Rule(many=8), "name": _SECTION, "supportedKinds": Rule(many=8)},
    "RouteStatus": {"parents": Rule(many=32)},
    "RouteParentStatus": {"conditions": Rule(few=1, many=8), "controllerName": _CONTROLLER},
    "gateway.ParentReference": {**_BACKEND, "sectionName": _SECTION},
    "HTTPRouteSpec": {**_PARENTS, "hostnames": _HOSTNAMES, "rules": Rule(few=1, many=16)},
    "HTTPRouteRule": {
        "backendRefs": Rule(many=16),
        "filters": Rule(many=16),
        "matches": Rule(many=64),
        "name": _SECTION,
    },
    "HTTPRouteMatch": {"headers": Rule(many=16), "queryParams": Rule(many=16)},
    "HTTPPathMatch": {"value": Rule(most=1024)},
    "HTTPHeaderMatch": _VALUE,
    "HTTPQueryParamMatch": {"name": _TOKEN, "value": Rule(least=1, most=1024)},
    "HTTPBackendRef": _WEIGHTED,
    "GRPCBackendRef": _WEIGHTED,
    "gateway.BackendRef": _WEIGHTED,
    "BackendObjectReference": _BACKEND,
    "HTTPCORSFilter": {
        "allowHeaders": _TOKENS,
        "allowMethods": Rule(many=9, one_of=_METHODS),
        "allowOrigins": Rule(
            r"(^\*$)|(^(http(s)?):\/\/(((\*\.)?([a-zA-Z0-9\-]+\.)*[a-zA-Z0-9-]+|\*)(:([0-9]{1,5}))?)$)", 1, 253, many=64
        ),
        "exposeHeaders": _TOKENS,
        "maxAge": Rule(least=1),
    },
    "HTTPHeaderFilter": {"add": Rule(many=16), "remove": Rule(many=16), "set": Rule(many=16)},
    "gateway.HTTPHeader": _VALUE,
    "HTTPRequestMirrorFilter": {"percent": Rule(least=0, most=100)},
    "gateway.Fraction": {"denominator": Rule(least=1), "numerator": Rule(least=0)},
    "HTTPRequestRedirectFilter": {
        "hostname": _PRECISE_HOSTNAME,
        "port": _PORT,
        "statusCode": Rule(one_of=(301, 302, 303, 307, 308)),
    },
    "HTTPPathModifier": {"replaceFullPath": Rule(most=1024), "replacePrefixMatch": Rule(most=1024)},
    "HTTPURLRewriteFilter": {"hostname": _PRECISE_HOSTNAME},
    "HTTPRouteTimeouts": {"backendRequest": _DURATION, "request": _DURATION},
    "GRPCRouteSpec": {**_PARENTS, "hostnames": _HOSTNAMES, "rules": Rule(many=16)},
    "GRPCRouteRule": {
        "backendRefs": Rule(many=16),
        "filters": Rule(many=16),
        "matches": Rule(many=64),
        "name": _SECTION,
    },
    "GRPCRouteMatch": {"headers": Rule(many=16)},
    "GRPCMethodMatch": {"method": Rule(most=1024), "service": Rule(most=1024)},
    "TCPRouteSpec": _L4,
    "UDPRouteSpec": _L4,
    "TLSRouteSpec": {**_L4, "hostnames": Rule(_HOSTNAME.pattern, 1, 253, few=1, many=1024)},
    "gateway.RouteRule": {"backendRefs": Rule(few=1, many=16), "name": _SECTION},
    "BackendTLSPolicySpec": {"options": Rule(many=16), "targetRefs": Rule(few=1, many=16)},
    "gateway.LocalPolicyTargetReferenceWithSectionName": {**_REFERENCE, "sectionName": _SECTION},
    "BackendTLSPolicyValidation": {
        "caCertificateRefs": Rule(many=8),
        "hostname": _PRECISE_HOSTNAME,
        "subjectAltNames": Rule(many=5),
        "wellKnownCACertificates": Rule(
            rf"^(System|({_DNS}/([A-Za-z0-9][-A-Za-z0-9_.]{{0,61}})?[A-Za-z0-9]))$", 1, 253
        ),
    },
    "gateway.LocalObjectReference": _REFERENCE,
    "gateway.SubjectAltName": {
        "hostname": _HOSTNAME,
        "uri": Rule(r"^(([^:/?#]+):)(//([^/?#]*))([^?#]*)(\?([^#]*))?(#(.*))?", 1, 253),
    },
    "gateway.PolicyStatus": {"ancestors": Rule(many=16)},
    "gateway.PolicyAncestorStatus": {"conditions": Rule(few=1, many=8), "controllerName": _CONTROLLER},
    "ReferenceGrantSpec": {"from": Rule(few=1, many=16), "to": Rule(few=1, many=16)},
    "ReferenceGrantFrom": _REFERENCE,
    "ReferenceGrantTo": _REFERENCE,
}


def check(schema: str, document: Doc) -> Found:
    """Every field of every object of the document."""
    for type_name, value, path in objects(schema, document):
        for field in TYPES[type_name].fields.values():
            at = f"{path}.{field.name}" if path else field.name
            yield from _field(at, field, value.get(field.name), RULES.get(type_name, {}).get(field.name, Rule()))


def _field(at: str, field: Field, value: Any, rule: Rule) -> Found:
    if value is None:
        if field.required:
            yield fault.required(at)
        return
    if field.many:
        yield from _count(at, value, rule)
        if field.many == "list":
            yield from _repeated(at, field, value)
    if field.many != "map" and field.type not in TYPES:
        items = [(f"{at}[{index}]", item) for index, item in enumerate(value)] if field.many else [(at, value)]
        for where, item in items:
            yield from _scalar(where, item, rule, rule.one_of or field.enum)


def _count(at: str, value: Any, rule: Rule) -> Found:
    if len(value) < rule.few:
        yield fault.invalid(at, len(value), f"{at} in body should have at least {rule.few} items")
    if rule.many is not None and len(value) > rule.many:
        yield fault.too_many(at, len(value), rule.many)


def _repeated(at: str, field: Field, items: list[Any]) -> Found:
    keys = [tuple(item.get(key) for key in field.list_map_keys) if field.list_map_keys else item for item in items]
    if field.set_list or field.list_map_keys:
        for index, key in enumerate(keys):
            if key in keys[:index]:
                shown = dict(zip(field.list_map_keys, key, strict=True)) if field.list_map_keys else key
                yield fault.duplicate(f"{at}[{index}]", shown)


def _scalar(at: str, value: Any, rule: Rule, one_of: tuple[Any, ...]) -> Found:
    if isinstance(value, str):
        if rule.most is not None and len(value) > rule.most:
            yield fault.too_long(at, rule.most)
        if rule.least and len(value) < rule.least:
            yield fault.invalid(at, value, f"{at} in body should be at least {rule.least} chars long")
        if rule.pattern and not re.search(
            rule.pattern.replace("$", r"\Z") if value.endswith("\n") else rule.pattern, value
        ):
            yield fault.invalid(at, value, f"{at} in body should match '{rule.pattern}'")
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from _number(at, value, rule)
    if one_of and value not in one_of:
        yield fault.not_supported(at, value, [str(known) for known in one_of])


def _number(at: str, value: int, rule: Rule) -> Found:
    if rule.least is not None and value < rule.least:
        yield fault.invalid(at, value, f"{at} in body should be greater than or equal to {rule.least}")
    if rule.most is not None and value > rule.most:
        yield fault.invalid(at, value, f"{at} in body should be less than or equal to {rule.most}")
