"""The states that a StatefulSet or DaemonSet has been in: ControllerRevisions, which name its pods' templates.

Source: kube-controller-manager pkg/controller/history.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.objects import (
    controller_reference,
    is_controlled_by,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
)
from portway.reconcile.resources import CONTROLLER_REVISIONS
from portway.reconcile.templates import template_hash

LABEL = "controller-revision-hash"
_HASH = "controller.kubernetes.io/hash"


class History(Struct, frozen=True):
    """What there is."""

    update: str
    """The name of the revision that the owner's template is."""
    hash: str
    known: dict[str, Doc]
    """By name."""
    changes: list[Change]
    """What makes it so, or shortens it."""

    def template(self, name: str, owner: Doc) -> Doc:
        """The pod template of a revision; the owner's own where it is forgotten."""
        found = self.known.get(name)
        template = ((found or {}).get("data") or {}).get("spec", {}).get("template") if name != self.update else None
        return (
            {k: v for k, v in template.items() if k != "$patch"} if template else spec_of(owner).get("template") or {}
        )


def history(owner: Doc, kind: str, revisions: Iterable[Doc], live: Collection[str]) -> History:
    """`revisions`: at least the owner's; `live`: names of those that its pods, or its status, speak of."""
    mine = {name_of(one): one for one in revisions if is_controlled_by(one, owner)}
    digest = template_hash(owner)
    update = f"{name_of(owner)}-{digest}"
    newest = max((int(one.get("revision") or 0) for one in mine.values()), default=0)
    changes: list[Change] = []
    if update not in mine:
        changes.append(Create(CONTROLLER_REVISIONS, _made(owner, kind, update, digest, newest + 1)))
    elif int(mine[update].get("revision") or 0) < newest:
        changes.append(Update(CONTROLLER_REVISIONS, {**mine[update], "revision": newest + 1}))
    changes += _forgotten(owner, mine, {update, *live})
    return History(update, digest, mine, changes)


def _made(owner: Doc, kind: str, name: str, digest: str, number: int) -> Doc:
    template = spec_of(owner).get("template") or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": namespace_of(owner),
            "labels": {**labels_of(template), _HASH: digest},
            "ownerReferences": [controller_reference(owner, "apps/v1", kind)],
        },
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
        "revision": number,
    }


def _forgotten(owner: Doc, mine: dict[str, Doc], live: Collection[str]) -> Sequence[Change]:
    """The oldest that nobody needs, beyond revisionHistoryLimit."""
    idle = sorted(
        (one for name, one in mine.items() if name not in live), key=lambda one: int(one.get("revision") or 0)
    )
    kept = spec_of(owner).get("revisionHistoryLimit")
    surplus = max(0, len(idle) - int(10 if kept is None else kept))
    return [Delete(CONTROLLER_REVISIONS, namespace_of(one), name_of(one), uid_of(one)) for one in idle[:surplus]]
