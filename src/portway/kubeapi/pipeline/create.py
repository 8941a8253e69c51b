"""POST."""

from portway.kubeapi.errors import ApiError, Doc
from portway.kubeapi.pipeline.checks import accepted, refuse
from portway.kubeapi.pipeline.document import arranged
from portway.kubeapi.pipeline.metadata import errors_of
from portway.kubeapi.pipeline.request import Prepared, Request, rollback

_LONGEST_NAME, _SUFFIX = 63, 5


def create(body: object, request: Request) -> Prepared:
    """The new document with its claims. Raises ApiError, and then holds no claims."""
    doc, warnings = accepted(body, request)
    kind = request.kind
    kind.default(doc)
    _fill(doc["metadata"], request)
    claims = kind.begin_create(doc, request.cluster, request.dry_run)
    try:
        if kind.inert and kind.status:
            doc.pop("status", None)
        if kind.generation:
            doc["metadata"]["generation"] = 1
        kind.prepare_create(doc)
        refuse(kind, doc, [*errors_of(kind, doc, None), *kind.validate(doc, None)])
        warnings += kind.warnings(doc, None)
        _refuse_version(doc["metadata"])
    except BaseException:
        rollback(claims)
        raise
    return Prepared(arranged(doc), claims, warnings)


def _fill(metadata: Doc, request: Request) -> None:
    """What the server alone says: uid, creationTimestamp, the name out of generateName; nothing on being deleted."""
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(name, None)
    if not request.applied:
        metadata.pop("managedFields", None)
    base = metadata.get("generateName")
    if base and not metadata.get("name"):
        metadata["name"] = base[: _LONGEST_NAME - _SUFFIX] + request.suffix
    metadata["uid"], metadata["creationTimestamp"] = request.uid, request.now


def _refuse_version(metadata: Doc) -> None:
    if metadata.get("resourceVersion") not in (None, "", "0"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
