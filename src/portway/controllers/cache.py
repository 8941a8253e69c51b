"""One resource's objects as they are now, and the indexes by which controllers find them."""

from collections.abc import Callable, Hashable, Iterable, Mapping

from portway.client import Api, Key, Reflector
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource
from portway.reconcile.objects import (
    contains_all,
    is_deleting,
    labels_of,
    meta,
    namespace_of,
    timestamp,
    uid_of,
    with_metadata,
)

Listener = Callable[[Key, Doc | None, Doc | None], object]
"""(key, old, new): old None for a new object, new None for one that is gone."""
Terms = Callable[[Doc], Iterable[Hashable]]


def owner_terms(document: Doc) -> list[Hashable]:
    """Found by the uid of each owner."""
    return [("owner", ref.get("uid")) for ref in meta(document).get("ownerReferences") or []]


def label_terms(document: Doc) -> list[Hashable]:
    """Found by each label, within its namespace."""
    namespace = namespace_of(document)
    return [("label", namespace, key, value) for key, value in labels_of(document).items()]


def namespace_terms(document: Doc) -> list[Hashable]:
    """Found by its namespace."""
    return [("namespace", namespace_of(document))]


class Cache:
    """Fed by a reflector and by `note` (what a write returned); tells its listeners of every change."""

    def __init__(self, api: Api, resource: Resource, *terms: Terms) -> None:
        self.resource = resource
        self.objects: dict[Key, Doc] = {}
        self.listeners: list[Listener] = []
        self.reflector: Reflector[Doc] = Reflector(api, resource, on_change=self._changed)
        self._terms = terms
        self._index: dict[Hashable, dict[Key, Doc]] = {}
        self._doomed: dict[str, str] = {}
        """uid → when we had it deleted, of objects that do not show it yet."""

    def get(self, key: Key) -> Doc | None:
        """The object, if there is one."""
        return self.objects.get(key)

    def found(self, term: Hashable) -> list[Doc]:
        """All objects with this term."""
        return list(self._index.get(term, {}).values())

    def owned_by(self, owner: Doc) -> list[Doc]:
        """Those with `owner` among their ownerReferences."""
        return self.found(("owner", uid_of(owner)))

    def labelled(self, namespace: str, labels: Mapping[str, str]) -> list[Doc]:
        """Those of a namespace that have all these labels; all of it when there are none."""
        if not labels:
            return self.found(("namespace", namespace))
        terms = [("label", namespace, key, value) for key, value in labels.items()]
        fewest = min((self._index.get(term, {}) for term in terms), key=len)
        return [document for document in fewest.values() if contains_all(labels_of(document), labels)]

    def note(self, document: Doc) -> None:
        """What a write of ours returned."""
        self.reflector.note(document)

    def doom(self, key: Key, uid: str, now: float) -> None:
        """We had this object deleted: it counts as being deleted from now on, whatever older news still comes."""
        document = self.objects.get(key)
        if document is not None and uid_of(document) == uid and not is_deleting(document):
            self._doomed[uid] = timestamp(now)
            self._changed(key, document, document)

    def _changed(self, key: Key, _: Doc | None, new: Doc | None) -> None:
        old = self.objects.pop(key, None)
        new = self._as_doomed(old, new)
        if old is not None:
            self._unindex(key, old)
        if new is not None:
            self.objects[key] = new
            self._reindex(key, new)
        for listener in self.listeners:
            listener(key, old, new)

    def _as_doomed(self, old: Doc | None, new: Doc | None) -> Doc | None:
        if old is not None and (new is None or uid_of(old) != uid_of(new) or meta(new).get("deletionTimestamp")):
            self._doomed.pop(uid_of(old), None)
        if new is not None and uid_of(new) in self._doomed:
            return with_metadata(new, deletionTimestamp=self._doomed[uid_of(new)])
        return new

    def _unindex(self, key: Key, document: Doc) -> None:
        for term in self._terms_of(document):
            bucket = self._index.get(term, {})
            bucket.pop(key, None)
            if not bucket:
                self._index.pop(term, None)

    def _reindex(self, key: Key, document: Doc) -> None:
        for term in self._terms_of(document):
            self._index.setdefault(term, {})[key] = document

    def _terms_of(self, document: Doc) -> list[Hashable]:
        return [term for terms in self._terms for term in terms(document)]
