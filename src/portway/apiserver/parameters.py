"""What of a request's query is not allowed, in kube-apiserver's words: *Options.meta.k8s.io is invalid.

Source: k8s.io/apimachinery pkg/apis/meta/v1/validation and internalversion/validation, 1.36. Values in, ApiError out.
"""

import json
from collections.abc import Iterator, Mapping

from portway.kubeapi.errors import FieldError, invalid

_LONGEST_MANAGER = 128
_VALIDATIONS = ("", "Ignore", "Strict", "Warn")
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}

Query = Mapping[str, str]


def check_write(method: str, query: Query, *, apply: bool = False) -> None:
    """Of a write. `apply`: a server-side one, which the body's type tells. Raises 422."""
    _refuse(_KINDS.get(method, "CreateOptions"), [*_patch(query, apply if method == "PATCH" else None), *_write(query)])


def check_list(query: Query, *, watch: bool) -> None:
    """Of a list or a watch. Raises 422."""
    _refuse("ListOptions", list(_watch(query) if watch else _list(query)))


def _refuse(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(kind, "", errors, "meta.k8s.io")


def _patch(query: Query, apply: bool | None) -> Iterator[FieldError]:
    if apply is False and "force" in query:
        yield FieldError("FieldValueForbidden", "force", "may not be specified for non-apply patch")
    if apply and not query.get("fieldManager"):
        yield FieldError("FieldValueRequired", "fieldManager", "is required for apply patch")


def _write(query: Query) -> Iterator[FieldError]:
    if len(query.get("fieldManager", "").encode()) > _LONGEST_MANAGER:
        detail = f"may not be more than {_LONGEST_MANAGER} bytes"
        yield FieldError("FieldValueTooLong", "fieldManager", detail)
    if (dry_run := query.get("dryRun", "")) not in ("", "All"):
        yield _unsupported("dryRun", f"[{json.dumps(dry_run)}]", ("All",))
    if (validation := query.get("fieldValidation", "")) not in _VALIDATIONS:
        yield _unsupported("fieldValidation", json.dumps(validation), _VALIDATIONS)


def _unsupported(field: str, value: str, choices: tuple[str, ...]) -> FieldError:
    listed = ", ".join(map(json.dumps, choices))
    return FieldError("FieldValueNotSupported", field, f"supported values: {listed}", value)


def _list(query: Query) -> Iterator[FieldError]:
    if "sendInitialEvents" in query:
        yield FieldError("FieldValueForbidden", "sendInitialEvents", "sendInitialEvents is forbidden for list")
    match, revision = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    if not match:
        return
    if not revision:
        yield _match_forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
    if query.get("continue"):
        yield _match_forbidden("resourceVersionMatch is forbidden for continue")
    if match not in ("Exact", "NotOlderThan"):
        yield _unsupported("resourceVersionMatch", json.dumps(match), ("Exact", "NotOlderThan", ""))
    if match == "Exact" and revision == "0":
        yield _match_forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')


def _watch(query: Query) -> Iterator[FieldError]:
    match, initial = query.get("resourceVersionMatch", ""), "sendInitialEvents" in query
    if match and not initial:
        yield _match_forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if initial and match != "NotOlderThan":
        yield _match_forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match not in ("", "NotOlderThan"):
        yield _unsupported("resourceVersionMatch", json.dumps(match), ("NotOlderThan",))


def _match_forbidden(detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", "resourceVersionMatch", detail)
