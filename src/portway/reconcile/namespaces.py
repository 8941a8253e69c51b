"""A namespace that is being deleted: first all that is in it, then its finalizer.

Source: kube-controller-manager pkg/controller/namespace/deletion.
"""

from collections.abc import Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile.change import Change, Delete, Update
from portway.reconcile.garbage import Item
from portway.reconcile.objects import is_deleting, name_of, namespace_of, spec_of, uid_of
from portway.reconcile.resources import NAMESPACES

FINALIZER = "kubernetes"


def reconcile(namespace: Doc, contents: Sequence[Item]) -> list[Change]:
    """`contents`: every document in it, of every resource. Read only when the namespace is being deleted."""
    if not is_deleting(namespace):
        return []
    deletions: list[Change] = [
        Delete(item.resource, namespace_of(item.document), name_of(item.document), uid_of(item.document))
        for item in contents
        if not is_deleting(item.document)
    ]
    if contents:
        return deletions
    left = [name for name in spec_of(namespace).get("finalizers") or [] if name != FINALIZER]
    if left == (spec_of(namespace).get("finalizers") or []):
        return []
    return [Update(NAMESPACES, {**namespace, "spec": {**spec_of(namespace), "finalizers": left}}, "finalize")]
