"""Rules for `metadata` that hold for every kind, on create and on update.

Source: k8s.io/apimachinery pkg/api/validation (objectmeta.go). Field paths of labels and annotations do not name
the key: that is Kubernetes' way.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.names import (
    is_dns1123_label,
    is_dns1123_subdomain,
    is_qualified_name,
    is_valid_label_value,
    masked,
)

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all keys and values together."""
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_IMMUTABLE = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def validate_labels(field: str, labels: Mapping[str, str] | None) -> list[FieldError]:
    """Labels, and selectors that are written like labels."""
    found: list[FieldError] = []
    for key, value in (labels or {}).items():
        found += fault.invalid_each(field, key, is_qualified_name(key))
        found += fault.invalid_each(field, value, is_valid_label_value(value))
    return found


def _requirement(field: str, requirement: Doc, any_value: bool) -> list[FieldError]:
    operator, values = requirement.get("operator") or "", requirement.get("values") or []
    key, found = requirement.get("key") or "", []
    if operator in ("In", "NotIn"):
        if not values:
            found.append(fault.required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(fault.forbidden(f"{field}.values", detail))
    else:
        found.append(fault.invalid(f"{field}.operator", operator, "not a valid selector operator"))
    found += fault.invalid_each(f"{field}.key", key, is_qualified_name(key))
    for i, value in enumerate(() if any_value else values):
        found += fault.invalid_each(f"{field}.values[{i}]", value, is_valid_label_value(value))
    return found


def validate_label_selector(field: str, selector: Doc | None, *, any_value: bool = False) -> list[FieldError]:
    """A LabelSelector; `any_value` lets pass values that no label can have, as old objects may hold them."""
    if selector is None:
        return []
    found = validate_labels(f"{field}.matchLabels", selector.get("matchLabels"))
    for i, requirement in enumerate(selector.get("matchExpressions") or ()):
        found += _requirement(f"{field}.matchExpressions[{i}]", requirement, any_value)
    return found


def validate_annotations(field: str, annotations: Mapping[str, str] | None) -> list[FieldError]:
    """Keys are qualified names of either case; all together within ANNOTATIONS_LIMIT."""
    found: list[FieldError] = []
    for key in annotations or {}:
        found += fault.invalid_each(field, key, is_qualified_name(key.lower()))
    size = sum(len(key.encode()) + len(value.encode()) for key, value in (annotations or {}).items())
    if size > ANNOTATIONS_LIMIT:
        found.append(fault.too_long(field, ANNOTATIONS_LIMIT))
    return found


def _owner_reference(field: str, owner: Doc) -> list[FieldError]:
    *group, version = (owner.get("apiVersion") or "").split("/")
    version = version if len(group) < 2 else ""
    checks = (
        ("apiVersion", version, "version must not be empty"),
        ("kind", owner.get("kind"), "must not be empty"),
        ("name", owner.get("name"), "must not be empty"),
        ("uid", owner.get("uid"), "must not be empty"),
    )
    found = [
        fault.invalid(f"{field}.{name}", owner.get(name) or "", detail) for name, value, detail in checks if not value
    ]
    if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
        found.append(fault.invalid(field, owner, "/v1, Kind=Event is disallowed from being an owner"))
    return found


def validate_owner_references(field: str, owners: Sequence[Doc] | None) -> list[FieldError]:
    """Complete references, at most one of them the controller."""
    found: list[FieldError] = []
    controllers = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners or () if owner.get("controller")]
    for owner in owners or ():
        found += _owner_reference(field, owner)
    for other in controllers[1:]:
        detail = (
            'Only one reference can have Controller set to true. Found "true" in references for '
            f"{controllers[0]} and {other}"
        )
        found.append(fault.invalid(field, owners, detail))
    return found


def _finalizer_kinds(field: str, finalizers: Sequence[str] | None) -> list[FieldError]:
    """Kubernetes' own finalizers have short names, others are qualified (apis/core/validation)."""
    detail = "name is neither a standard finalizer name nor is it fully qualified"
    named = enumerate(finalizers or ())
    return [
        fault.invalid(f"{field}[{i}]", name, detail)
        for i, name in named
        if "/" not in name and name not in _STANDARD_FINALIZERS
    ]


def validate_finalizers(field: str, finalizers: Sequence[str] | None) -> list[FieldError]:
    """Qualified names; not both ways of deleting dependents."""
    found: list[FieldError] = []
    for finalizer in finalizers or ():
        found += fault.invalid_each(field, finalizer, is_qualified_name(finalizer))
    if {"orphan", "foregroundDeletion"} <= set(finalizers or ()):
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        found.append(fault.invalid(field, finalizers, detail))
    return found


def _validate_name(meta: Doc, rule: Callable[[str], Sequence[str]]) -> list[FieldError]:
    generate, name = meta.get("generateName") or "", meta.get("name") or ""
    found: list[FieldError] = []
    if generate:
        found += fault.invalid_each("metadata.generateName", generate, masked(lambda text: list(rule(text)))(generate))
    if not name:
        return [*found, fault.required("metadata.name", "name or generateName is required")]
    return found + fault.invalid_each("metadata.name", name, rule(name))


def _validate_namespace(meta: Doc, namespaced: bool) -> list[FieldError]:
    namespace = meta.get("namespace") or ""
    if not namespaced:
        return [fault.forbidden("metadata.namespace", "not allowed on this type")] if namespace else []
    if not namespace:
        return [fault.required("metadata.namespace")]
    return fault.invalid_each("metadata.namespace", namespace, is_dns1123_label(namespace))


def _validate_contents(meta: Doc) -> list[FieldError]:
    return (
        validate_labels("metadata.labels", meta.get("labels"))
        + validate_annotations("metadata.annotations", meta.get("annotations"))
        + validate_owner_references("metadata.ownerReferences", meta.get("ownerReferences"))
    )


def _validate_create(meta: Doc, namespaced: bool, rule: Callable[[str], Sequence[str]] | None) -> list[FieldError]:
    found = _validate_name(meta, rule or is_dns1123_subdomain) + _validate_namespace(meta, namespaced)
    generation = meta.get("generation") or 0
    if generation < 0:
        found.append(fault.invalid("metadata.generation", generation, "must be greater than or equal to 0"))
    found += _validate_contents(meta) + validate_finalizers("metadata.finalizers", meta.get("finalizers"))
    return found + _finalizer_kinds("metadata.finalizers", meta.get("finalizers"))


def _new_finalizers(meta: Doc, old: Doc) -> list[FieldError]:
    """A deletion under way can only lose finalizers."""
    extra = sorted(set(meta.get("finalizers") or ()) - set(old.get("finalizers") or ()))
    if not extra or not old.get("deletionTimestamp"):
        return []
    listed = ", ".join(fault.quoted(name) for name in extra)
    detail = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
    return [fault.forbidden("metadata.finalizers", detail)]


def _immutable(meta: Doc, old: Doc) -> list[FieldError]:
    def value(document: Doc, name: str) -> Any:
        missing = None if name.startswith(("creation", "deletion")) else ""
        return document.get(name) or missing

    return [
        fault.invalid(f"metadata.{name}", value(meta, name), "field is immutable")
        for name in _IMMUTABLE
        if value(meta, name) != value(old, name)
    ]


def _validate_update(meta: Doc, old: Doc) -> list[FieldError]:
    found = _new_finalizers(meta, old)
    if not meta.get("resourceVersion"):
        found.append(fault.invalid("metadata.resourceVersion", "", "must be specified for an update"))
    generation = meta.get("generation") or 0
    if generation < (old.get("generation") or 0):
        found.append(fault.invalid("metadata.generation", generation, "must not be decremented"))
    found += _immutable(meta, old) + _validate_contents(meta)
    return found + _finalizer_kinds("metadata.finalizers", meta.get("finalizers"))


def validate(
    document: Doc,
    namespaced: bool,
    name_rule: Callable[[str], Sequence[str]] | None = None,
    old: Doc | None = None,
) -> list[FieldError]:
    """What is wrong with `metadata`. `name_rule` None: DNS-1123 subdomain. `old` is None on create.

    On update the name is only compared, not checked again.
    """
    meta = document.get("metadata") or {}
    if old is not None:
        return _validate_update(meta, old.get("metadata") or {})
    return _validate_create(meta, namespaced, name_rule)
