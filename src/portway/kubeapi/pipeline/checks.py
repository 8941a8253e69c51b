"""What is checked of every body before anything else is done with it, and of every document before it is stored."""

from portway.kubeapi import strict
from portway.kubeapi.errors import ApiError, Doc, FieldError, bad_request, invalid
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline.request import Request


def accepted(body: object, request: Request) -> tuple[Doc, list[str]]:
    """The body as a document of the request's Kind and namespace, and warnings. Raises ApiError."""
    kind = request.kind
    if not isinstance(body, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {kind.kind}): it is not an object")
    doc: Doc = body
    _check_type(doc, kind)
    warnings = strict.refuse(kind, strict.check(kind, doc, request.duplicates), request.field_validation)
    if doc.get("metadata") is None:
        doc["metadata"] = {}
    _place(doc["metadata"], request)
    return doc, warnings


def _check_type(doc: Doc, kind: Kind) -> None:
    doc["apiVersion"] = version = doc.get("apiVersion") or kind.api_version
    doc["kind"] = name = doc.get("kind") or kind.kind
    if version != kind.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({kind.api_version})"
        )
    if name != kind.kind:
        raise bad_request(f'{name} in version "{kind.version}" cannot be handled as a {kind.kind}')


def _place(metadata: Doc, request: Request) -> None:
    """metadata.namespace from the path."""
    if not request.namespace:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", request.namespace) != request.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def refuse(kind: Kind, doc: Doc, errors: list[FieldError]) -> None:
    """Raises 422 when there are errors."""
    if errors:
        metadata = doc["metadata"]
        raise invalid(kind.kind, metadata.get("name") or metadata.get("generateName") or "", errors, kind.group)


def forbidden(kind: Kind, name: str, why: str, causes: list[Doc] | None = None) -> ApiError:
    """403."""
    resource = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    details: Doc = {"name": name, "group": kind.group, "kind": kind.plural, "causes": causes or []}
    return ApiError(
        403, "Forbidden", f'{resource} "{name}" is forbidden: {why}', {k: v for k, v in details.items() if v}
    )
