"""PUT, and what a patch becomes."""

from portway.kubeapi.errors import Doc, bad_request, conflict
from portway.kubeapi.kinds import Claims, Kind
from portway.kubeapi.patch.equality import same
from portway.kubeapi.pipeline.checks import accepted, refuse
from portway.kubeapi.pipeline.document import arranged
from portway.kubeapi.pipeline.managers import note
from portway.kubeapi.pipeline.metadata import count, errors_of, inherit
from portway.kubeapi.pipeline.request import Prepared, Request, rollback


def update(body: object, old: Doc, revision: int, request: Request) -> Prepared:
    """`old`, at `revision`, replaced by the body; its status stays. Raises ApiError, and then holds no claims."""
    new, warnings = accepted(body, request)
    kind = request.kind
    check_target(new, old, revision, request)
    kind.default(new)
    inherit(new["metadata"], old["metadata"], kind)
    claims = kind.begin_update(new, old, request.cluster, request.dry_run)
    try:
        if kind.status:
            _keep(new, old, "status")
        kind.prepare_update(new, old)
        if kind.generation:
            count(new, old)
        refuse(kind, new, [*errors_of(kind, new, old), *kind.validate(new, old)])
        warnings += kind.warnings(new, old)
    except BaseException:
        rollback(claims)
        raise
    return _prepared(new, old, claims, warnings, request)


def update_status(body: object, old: Doc, revision: int, request: Request) -> Prepared:
    """`old` with the body's status, labels and annotations. Raises ApiError."""
    new, warnings = accepted(body, request)
    kind = request.kind
    check_target(new, old, revision, request)
    kind.default(new)
    inherit(new["metadata"], old["metadata"], kind)
    for name in ("ownerReferences", "finalizers"):
        _keep(new["metadata"], old["metadata"], name)
    merged = {key: value for key, value in old.items() if key != "status"} | {"metadata": new["metadata"]}
    if "status" in new:
        merged["status"] = new["status"]
    refuse(kind, merged, [*errors_of(kind, merged, old), *kind.validate_status(merged, old)])
    return _prepared(merged, old, None, warnings, request)


def _prepared(new: Doc, old: Doc, claims: Claims | None, warnings: list[str], request: Request) -> Prepared:
    doc = arranged(note(new, old, request))
    return Prepared(doc, claims, warnings, changed=not same(doc, old))


def check_target(new: Doc, old: Doc, revision: int, request: Request) -> None:
    """The body means the object of the path, in this state if it names one; from here it does. Raises 400, 409."""
    metadata, kind = new["metadata"], request.kind
    name = metadata.setdefault("name", request.name)
    if name != request.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({request.name})")
    wanted, is_ = metadata.get("uid"), old["metadata"].get("uid")
    if wanted and wanted != is_:
        why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {is_}"
        raise conflict(kind.plural, name, kind.group, why)
    if metadata.get("resourceVersion") not in (None, "", "0", str(revision)):
        raise conflict(kind.plural, name, kind.group)
    metadata["resourceVersion"] = str(revision)


def _keep(new: Doc, old: Doc, name: str) -> None:
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)


def finished(doc: Doc, kind: Kind) -> bool:
    """It was to be deleted and nothing holds it any more: store its removal instead."""
    metadata = doc["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers"):
        return False
    if (kind.group, kind.kind) == ("", "Namespace"):
        return not (doc.get("spec") or {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")
