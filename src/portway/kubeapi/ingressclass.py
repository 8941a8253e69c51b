"""The life of an IngressClass in the API: hooks of its Kind.

Source: pkg/apis/networking/v1/defaults.go, pkg/apis/networking/validation/validation.go (ValidateIngressClass).
"""

from collections.abc import Iterable

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.names import (
    is_dns1123_label,
    is_dns1123_subdomain,
    is_domain_prefixed_path,
    is_http_path,
    is_path_segment_name,
)

DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
MAX_CONTROLLER = 250
_SCOPES = ("Cluster", "Namespace")


def _spec(ingress_class: Doc) -> Doc:
    return ingress_class.get("spec") or {}


def default(ingress_class: Doc) -> None:
    """Kind hook: parameters are of cluster scope unless given."""
    parameters = _spec(ingress_class).get("parameters")
    if parameters is not None and parameters.get("scope") is None:
        parameters["scope"] = "Cluster"


def default_of(classes: Iterable[Doc]) -> str:
    """The name of the class that Ingresses without one get: of several the newest, of equally old the first by name.

    Source: plugin/pkg/admission/network/defaultingressclass.
    """
    metas = [of.get("metadata") or {} for of in classes]
    defaults = [meta for meta in metas if (meta.get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"]
    newest = max((meta.get("creationTimestamp") or "" for meta in defaults), default="")
    return min((str(m["name"]) for m in defaults if (m.get("creationTimestamp") or "") == newest), default="")


def _controller(name: str) -> list[FieldError]:
    field = "spec.controller"
    found = [fault.too_long(field, MAX_CONTROLLER)] if len(name.encode()) > MAX_CONTROLLER else []
    if not name:
        return [*found, fault.required(field)]
    host, _, path = name.partition("/")
    if not host or not path:
        return [*found, *fault.invalid_each(field, name, is_domain_prefixed_path(name))]
    found += fault.invalid_each(field, host, is_dns1123_subdomain(host))
    return found + fault.invalid_each(field, path, is_http_path(path))


def _namespace(field: str, parameters: Doc) -> list[FieldError]:
    scope, namespace = parameters["scope"], parameters.get("namespace")
    if scope == "Namespace" and namespace is None:
        return [fault.required(field, "`parameters.scope` is set to 'Namespace'")]
    if scope == "Cluster" and namespace is not None:
        return [fault.forbidden(field, "`parameters.scope` is set to 'Cluster'")]
    return fault.invalid_each(field, namespace, is_dns1123_label(namespace)) if namespace is not None else []


def _parameters(parameters: Doc) -> list[FieldError]:
    field, group, scope = "spec.parameters", parameters.get("apiGroup"), parameters.get("scope")
    found = fault.invalid_each(f"{field}.apiGroup", group, is_dns1123_subdomain(group)) if group is not None else []
    for name in ("kind", "name"):
        at, value = f"{field}.{name}", parameters.get(name) or ""
        found += fault.invalid_each(at, value, is_path_segment_name(value)) if value else [fault.required(at)]
    if scope is None:
        return [*found, fault.required(f"{field}.scope")]
    if scope not in _SCOPES:
        return [*found, fault.not_supported(f"{field}.scope", scope, _SCOPES)]
    return found + _namespace(f"{field}.namespace", parameters)


def validate(ingress_class: Doc, old: Doc | None) -> list[FieldError]:
    """Kind hook: a domain-prefixed controller that never changes, and a complete reference to parameters."""
    spec = _spec(ingress_class)
    controller, parameters = spec.get("controller") or "", spec.get("parameters")
    found = []
    if old is not None and (_spec(old).get("controller") or "") != controller:
        found.append(fault.invalid("spec.controller", controller, "field is immutable"))
    return found + _controller(controller) + (_parameters(parameters) if parameters is not None else [])
