"""The life of Gateway API's objects in the API: the hooks of their Kinds, made from the tables."""

from typing import Any

from portway.kubeapi import fault
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.gateway import defaults, rules, structure


def hooks(schema: str) -> dict[str, Any]:
    """Those of the Kind with this Type."""

    def default(document: Doc) -> None:
        defaults.fill(schema, document)

    def validate(document: Doc, old: Doc | None) -> list[FieldError]:
        found = _errors(schema, {key: value for key, value in document.items() if key != "status"})
        return found + (_immutable(document, old) if old is not None else [])

    def validate_status(document: Doc, _: Doc) -> list[FieldError]:
        return [error for error in _errors(schema, document) if error.field.startswith("status")]

    def prepare_create(document: Doc) -> None:
        document.pop("status", None)
        default(document)

    return {
        "default": default,
        "validate": validate,
        "validate_status": validate_status,
        "prepare_create": prepare_create,
    }


def _errors(schema: str, document: Doc) -> list[FieldError]:
    """The rules are asked only of a document whose structure is right, as the API server does."""
    return list(structure.check(schema, document)) or list(rules.check(schema, document))


def _immutable(new: Doc, old: Doc) -> list[FieldError]:
    """GatewayClass: who serves it stays."""
    name, before = ((document.get("spec") or {}).get("controllerName") for document in (new, old))
    if name == before:
        return []
    return [fault.invalid("spec.controllerName", name, "field is immutable")]
