"""What becomes of objects whose owner goes: ownerReferences and the two deletion finalizers.

Source: kube-controller-manager pkg/controller/garbagecollector. Background: dependents of an owner that is gone are
deleted. Foreground: an owner with the finalizer waits until the dependents that block it are gone. Orphan: an owner
with the finalizer waits until its dependents no longer name it.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.change import Change, Delete, Update
from portway.reconcile.objects import is_deleting, meta, name_of, namespace_of, uid_of, with_metadata

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Item(Struct, frozen=True):
    """A document and where it lives."""

    resource: Resource
    document: Doc


def reconcile(item: Item, gone: Collection[str], dependents: Sequence[Item]) -> list[Change]:
    """`gone`: uids among its owners of which there is no such object. `dependents`: those that name it as owner."""
    if is_deleting(item.document):
        return _owner_going(item, dependents)
    return _owners_gone(item, gone)


def _owners_gone(item: Item, gone: Collection[str]) -> list[Change]:
    references = meta(item.document).get("ownerReferences") or []
    left = [reference for reference in references if reference.get("uid") not in gone]
    if len(left) == len(references):
        return []
    if left:
        return [Update(item.resource, with_metadata(item.document, ownerReferences=left))]
    return [_deletion(item)]


def _owner_going(item: Item, dependents: Sequence[Item]) -> list[Change]:
    finalizers = meta(item.document).get("finalizers") or []
    if ORPHAN in finalizers:
        return [_disowned(d, uid_of(item.document)) for d in dependents] or [_without(item, ORPHAN)]
    if FOREGROUND in finalizers:
        deletions: list[Change] = [_deletion(d) for d in dependents if not is_deleting(d.document)]
        blocked = any(_blocks(d.document, uid_of(item.document)) for d in dependents)
        return deletions if blocked else [*deletions, _without(item, FOREGROUND)]
    return []


def _blocks(dependent: Doc, owner: str) -> bool:
    references = meta(dependent).get("ownerReferences") or []
    return any(ref.get("uid") == owner and ref.get("blockOwnerDeletion") for ref in references)


def _disowned(item: Item, owner: str) -> Change:
    left = [ref for ref in meta(item.document)["ownerReferences"] if ref.get("uid") != owner]
    return Update(item.resource, with_metadata(item.document, ownerReferences=left or None))


def _without(item: Item, finalizer: str) -> Change:
    left = [name for name in meta(item.document)["finalizers"] if name != finalizer]
    return Update(item.resource, with_metadata(item.document, finalizers=left or None))


def _deletion(item: Item) -> Delete:
    return Delete(item.resource, namespace_of(item.document), name_of(item.document), uid_of(item.document))
