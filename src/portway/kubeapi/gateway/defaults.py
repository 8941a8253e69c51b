"""What a field is when it is not given: by Type, then by field."""

import copy
from collections.abc import Mapping
from typing import Any

from portway.kubeapi.errors import Doc
from portway.kubeapi.gateway.walk import objects

GROUP = "gateway.networking.k8s.io"
_BACKEND = {"group": "", "kind": "Service"}
_ANY_PATH = {"path": {"type": "PathPrefix", "value": "/"}}


def _waiting(*types: str) -> list[Doc]:
    """The conditions of an object that no controller has looked at."""
    waiting = {"status": "Unknown", "reason": "Pending", "message": "Waiting for controller"}
    return [{"type": type_, **waiting, "lastTransitionTime": "1970-01-01T00:00:00Z"} for type_ in types]


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "GatewayClass": {"status": {"conditions": _waiting("Accepted")}},
    "Gateway": {"status": {"conditions": _waiting("Accepted", "Programmed")}},
    "ListenerSet": {"status": {"conditions": _waiting("Accepted", "Programmed")}},
    "ListenerSetStatus": {"conditions": _waiting("Accepted", "Programmed")},
    "ParentGatewayReference": {"group": GROUP, "kind": "Gateway"},
    "GatewaySpecAddress": {"type": "IPAddress"},
    "GatewayStatusAddress": {"type": "IPAddress"},
    "AllowedListeners": {"namespaces": {"from": "None"}},
    "ListenerNamespaces": {"from": "None"},
    "Listener": {"allowedRoutes": {"namespaces": {"from": "Same"}}},
    "AllowedRoutes": {"namespaces": {"from": "Same"}},
    "RouteNamespaces": {"from": "Same"},
    "RouteGroupKind": {"group": GROUP},
    "ListenerTLSConfig": {"mode": "Terminate"},
    "SecretObjectReference": {"group": "", "kind": "Secret"},
    "FrontendTLSValidation": {"mode": "AllowValidOnly"},
    "gateway.ParentReference": {"group": GROUP, "kind": "Gateway"},
    "HTTPRouteSpec": {"rules": [{"matches": [_ANY_PATH]}]},
    "HTTPRouteRule": {"matches": [_ANY_PATH]},
    "HTTPRouteMatch": _ANY_PATH,
    "HTTPPathMatch": {"type": "PathPrefix", "value": "/"},
    "HTTPHeaderMatch": {"type": "Exact"},
    "HTTPQueryParamMatch": {"type": "Exact"},
    "HTTPBackendRef": {**_BACKEND, "weight": 1},
    "GRPCBackendRef": {**_BACKEND, "weight": 1},
    "gateway.BackendRef": {**_BACKEND, "weight": 1},
    "BackendObjectReference": _BACKEND,
    "HTTPCORSFilter": {"maxAge": 5},
    "gateway.Fraction": {"denominator": 100},
    "HTTPRequestRedirectFilter": {"statusCode": 302},
    "GRPCMethodMatch": {"type": "Exact"},
}


def fill(schema: str, document: Doc) -> None:
    """Puts every default in place."""
    for type_name, value, _ in objects(schema, document):
        for name, default in DEFAULTS.get(type_name, {}).items():
            if value.get(name) is None:
                value[name] = copy.deepcopy(default)
