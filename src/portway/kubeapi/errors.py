"""API errors as values: what Kubernetes answers, with its exact words.

Source: k8s.io/apimachinery pkg/api/errors (Status reasons and codes) and pkg/util/validation/field (texts).
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

Doc = dict[str, Any]

_TYPE_TEXT = {
    "FieldValueRequired": "Required value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueNotFound": "Not found",
    "FieldValueTypeInvalid": "Invalid value",
    "InternalError": "Internal error",
}
_WITHOUT_VALUE = {"FieldValueRequired", "FieldValueForbidden", "FieldValueTooLong", "InternalError"}


class FieldError(Struct, frozen=True):
    """One thing wrong with one field. `value` is Go's `%v`-like text, already quoted where Go quotes it."""

    reason: str
    """"FieldValueInvalid", "FieldValueRequired", …: the cause's reason."""
    field: str
    """The path, e.g. `spec.ports[0].nodePort`."""
    detail: str = ""
    value: str = ""
    """The bad value as the message prints it: strings in double quotes, numbers bare, objects as JSON."""

    @property
    def message(self) -> str:
        """`Invalid value: 70000: must be between 1 and 65535, inclusive`."""
        head = _TYPE_TEXT.get(self.reason, self.reason)
        if self.reason not in _WITHOUT_VALUE:
            head = f"{head}: {self.value}"
        return f"{head}: {self.detail}" if self.detail else head

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(Exception):
    """An answer other than success; `status` is the `kind: Status` document to send."""

    def __init__(self, code: int, reason: str, message: str, details: Doc | None = None) -> None:
        super().__init__(code, reason, message, details)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message

    @property
    def status(self) -> Doc:
        """The `v1.Status` document."""
        status: Doc = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        return status | {"code": self.code}


def not_found(resource: str, name: str, group: str = "") -> ApiError:
    """404. `resource` is the plural, e.g. "services"."""
    qualified = f"{resource}.{group}" if group else resource
    return ApiError(404, "NotFound", f'{qualified} "{name}" not found', _details(name, group, resource))


def already_exists(resource: str, name: str, group: str = "") -> ApiError:
    """409 on create."""
    qualified = f"{resource}.{group}" if group else resource
    message = f'{qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(name, group, resource))


def conflict(resource: str, name: str, group: str = "", detail: str = "") -> ApiError:
    """409 on a stale resourceVersion."""
    qualified = f"{resource}.{group}" if group else resource
    why = detail or ("the object has been modified; please apply your changes to the latest version and try again")
    message = f'Operation cannot be fulfilled on {qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(name, group, resource))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def internal_error(message: str) -> ApiError:
    """500 with Kubernetes' prefix."""
    text = f"Internal error occurred: {message}"
    return ApiError(500, "InternalError", text, {"causes": [{"message": message}]})


def invalid(kind: str, name: str, errors: Sequence[FieldError], group: str = "") -> ApiError:
    """422 with one cause per error; the message lists each distinct text once."""
    texts = list(dict.fromkeys(str(e) for e in errors))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    causes = [{"reason": e.reason, "message": e.message, "field": e.field} for e in errors]
    details = _details(name, group, kind) | {"causes": causes}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {listed}', details)


def _details(name: str, group: str, kind: str) -> Doc:
    return {k: v for k, v in (("name", name), ("group", group), ("kind", kind)) if v}
