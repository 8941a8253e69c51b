"""DELETE: remove now, or mark and wait for finalizers, for a grace period, for a namespace's content.

Source: k8s.io/apiserver pkg/registry/rest/delete.go, pkg/registry/generic/registry/store.go,
pkg/registry/core/{pod,namespace}.
"""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from portway.kubeapi.errors import Doc, bad_request, conflict, invalid
from portway.kubeapi.fault import not_supported
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline.checks import forbidden
from portway.kubeapi.pipeline.document import arranged
from portway.kubeapi.pipeline.request import Request

_POLICIES = ("Foreground", "Background", "Orphan")
_FINALIZER = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_ORPHAN_BY_DEFAULT = {("", "ReplicationController"), ("batch", "Job")}
_IMMORTAL = ("default", "kube-system", "kube-public")
_DEFAULT_GRACE = 30


class DeleteOptions(Struct, frozen=True, kw_only=True):
    """The body or the query of a DELETE."""

    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False


class Remove(Struct, frozen=True):
    """Take it out of the store; `doc` is how it was last."""

    doc: Doc


class Mark(Struct, frozen=True):
    """Store it as being deleted; `changed` False: it already is."""

    doc: Doc
    changed: bool = True


def delete_options(body: Any, query: dict[str, str]) -> DeleteOptions:
    """From the body if there is one, else from the query. Raises 400, 422."""
    given = body if isinstance(body, dict) and body else _from_query(query)
    preconditions = given.get("preconditions") or {}
    policy = given.get("propagationPolicy") or ("Orphan" if given.get("orphanDependents") else "")
    grace = given.get("gracePeriodSeconds")
    if policy and policy not in _POLICIES:
        raise invalid(
            "DeleteOptions", "", [not_supported("propagationPolicy", policy, (*_POLICIES, "nil"))], "meta.k8s.io"
        )
    if grace is not None and not isinstance(grace, int):
        raise bad_request(f"gracePeriodSeconds: {grace!r} is not a whole number of seconds")
    return DeleteOptions(
        grace_seconds=grace,
        uid=preconditions.get("uid") or "",
        resource_version=preconditions.get("resourceVersion") or "",
        propagation=policy,
        dry_run=_all(given.get("dryRun")) or _all(query.get("dryRun")),
    )


def _all(value: object) -> bool:
    return value == "All" or (isinstance(value, list) and "All" in value)


def _from_query(query: dict[str, str]) -> Doc:
    given: Doc = {name: query[name] for name in ("propagationPolicy",) if name in query}
    grace = query.get("gracePeriodSeconds", "")
    if grace:
        given["gracePeriodSeconds"] = int(grace) if grace.lstrip("-").isdigit() else grace
    if query.get("orphanDependents") == "true":
        given["orphanDependents"] = True
    return given


def delete(old: Doc, revision: int, options: DeleteOptions, request: Request) -> Remove | Mark:
    """What to do with the stored document `old`. Raises 403, 409."""
    _check_preconditions(old, revision, options, request)
    if (request.kind.group, request.kind.kind) == ("", "Namespace"):
        return _namespace(old, request)
    doc = arranged(old)
    _propagate(doc["metadata"], options, request.kind)
    grace = _grace(doc, options, request.kind)
    before = doc["metadata"].get("deletionGracePeriodSeconds")
    if "deletionTimestamp" in doc["metadata"] and before is not None and before <= grace:
        return Mark(doc, changed=False) if before or doc["metadata"].get("finalizers") else Remove(doc)
    if not grace and not doc["metadata"].get("finalizers"):
        return Remove(doc)
    _mark(doc["metadata"], grace, request.now)
    return Mark(doc)


def _check_preconditions(old: Doc, revision: int, options: DeleteOptions, request: Request) -> None:
    metadata, kind = old["metadata"], request.kind
    name = metadata["name"]
    if options.uid and options.uid != metadata["uid"]:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({metadata['uid']}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind.kind, name, kind.group, why)
    if options.resource_version and options.resource_version != str(revision):
        wanted = options.resource_version
        why = f"Precondition failed: ResourceVersion in precondition: {wanted}, ResourceVersion in object meta: "
        raise conflict(kind.plural, name, kind.group, f"{why}{revision}")


def _propagate(metadata: Doc, options: DeleteOptions, kind: Kind) -> None:
    """Leave a finalizer for the garbage collector when it has work to do first."""
    policy = options.propagation
    finalizers = [name for name in metadata.get("finalizers") or () if policy == "" or name not in _FINALIZER.values()]
    if not policy and (kind.group, kind.kind) in _ORPHAN_BY_DEFAULT:
        policy = "Orphan"
    wanted = _FINALIZER.get(policy)
    if wanted and wanted not in finalizers:
        finalizers.append(wanted)
    metadata["finalizers"] = finalizers
    if not finalizers:
        del metadata["finalizers"]


def _grace(doc: Doc, options: DeleteOptions, kind: Kind) -> int:
    """Seconds; 0: at once. Only pods that a kubelet may have started are given time."""
    if (kind.group, kind.kind) != ("", "Pod"):
        return 0
    spec, phase = doc.get("spec") or {}, (doc.get("status") or {}).get("phase")
    if not spec.get("nodeName") or phase in ("Succeeded", "Failed"):
        return 0
    grace = options.grace_seconds
    if grace is None:
        grace = spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
    return grace if grace >= 0 else 1


def _mark(metadata: Doc, grace: int, now: str) -> None:
    began = datetime.fromisoformat(metadata.get("deletionTimestamp") or now)
    end = began + timedelta(seconds=grace - metadata.get("deletionGracePeriodSeconds", 0))
    metadata["deletionTimestamp"] = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    metadata["deletionGracePeriodSeconds"] = grace
    if metadata.get("generation"):
        metadata["generation"] += 1


def _namespace(old: Doc, request: Request) -> Remove | Mark:
    name = old["metadata"]["name"]
    if name in _IMMORTAL:
        raise forbidden(request.kind, name, "this namespace may not be deleted")
    if "deletionTimestamp" in old["metadata"]:
        empty = not (old.get("spec") or {}).get("finalizers") and not old["metadata"].get("finalizers")
        return Remove(old) if empty else Mark(old, changed=False)
    if not (old.get("spec") or {}).get("finalizers") and not old["metadata"].get("finalizers"):
        return Remove(old)
    doc = old | {
        "metadata": old["metadata"] | {"deletionTimestamp": request.now},
        "status": (old.get("status") or {}) | {"phase": "Terminating"},
    }
    return Mark(doc)
