"""Garbage, namespaces that go, and what every namespace has."""

from typing import Any

from portway.reconcile import garbage, namespaces, serviceaccounts
from portway.reconcile.change import Create, Delete, Update
from portway.reconcile.garbage import Item
from portway.reconcile.resources import CONFIG_MAPS, NAMESPACES, PODS, REPLICA_SETS, SERVICE_ACCOUNTS

Doc = dict[str, Any]


def document(name: str, *owners: str, **metadata: Any) -> Doc:
    references = [{"uid": uid, "blockOwnerDeletion": True} for uid in owners]
    return {"metadata": {"namespace": "n", "name": name, "uid": name, "ownerReferences": references, **metadata}}


def pod(name: str, *owners: str, **metadata: Any) -> Item:
    return Item(PODS, document(name, *owners, **metadata))


def going(*finalizers: str) -> Item:
    return Item(REPLICA_SETS, document("rs", deletionTimestamp="now", finalizers=list(finalizers)))


def test_an_object_goes_with_its_last_owner() -> None:
    assert garbage.reconcile(pod("p", "a"), {"a"}, []) == [Delete(PODS, "n", "p", "p")]
    assert garbage.reconcile(pod("p", "a"), set(), []) == []
    assert garbage.reconcile(pod("p"), {"a"}, []) == []
    [update] = garbage.reconcile(pod("p", "a", "b"), {"a"}, [])
    assert isinstance(update, Update)
    assert [ref["uid"] for ref in update.document["metadata"]["ownerReferences"]] == ["b"]


def test_foreground_waits_for_what_blocks() -> None:
    owner = going("foregroundDeletion", "mine")
    leaving = pod("p", "rs", deletionTimestamp="now")
    assert garbage.reconcile(owner, set(), [pod("p", "rs")]) == [Delete(PODS, "n", "p", "p")]
    assert garbage.reconcile(owner, set(), [leaving]) == []
    [update] = garbage.reconcile(owner, set(), [])
    assert isinstance(update, Update) and update.document["metadata"]["finalizers"] == ["mine"]


def test_foreground_does_not_wait_for_what_does_not_block() -> None:
    free = pod("p", "rs")
    free.document["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = False
    delete, update = garbage.reconcile(going("foregroundDeletion"), set(), [free])
    assert delete == Delete(PODS, "n", "p", "p")
    assert isinstance(update, Update) and "finalizers" not in update.document["metadata"]


def test_orphans_are_disowned_first() -> None:
    owner = going("orphan")
    [update] = garbage.reconcile(owner, set(), [pod("p", "rs")])
    assert isinstance(update, Update) and "ownerReferences" not in update.document["metadata"]
    [last] = garbage.reconcile(owner, set(), [])
    assert isinstance(last, Update) and last.resource == REPLICA_SETS


def test_other_finalizers_are_others_business() -> None:
    assert garbage.reconcile(going("mine"), set(), [pod("p", "rs")]) == []


def namespace(**metadata: Any) -> Doc:
    return {"metadata": {"name": "n", **metadata}, "spec": {"finalizers": ["kubernetes", "other"]}}


def test_a_namespace_is_emptied_then_finalized() -> None:
    leaving = pod("q", deletionTimestamp="now")
    assert namespaces.reconcile(namespace(), [pod("p")]) == []
    dying = namespace(deletionTimestamp="now")
    assert namespaces.reconcile(dying, [pod("p"), leaving]) == [Delete(PODS, "n", "p", "p")]
    assert namespaces.reconcile(dying, [leaving]) == []
    [finalize] = namespaces.reconcile(dying, [])
    assert isinstance(finalize, Update)
    assert (finalize.resource, finalize.subresource) == (NAMESPACES, "finalize")
    assert finalize.document["spec"]["finalizers"] == ["other"]
    assert namespaces.reconcile(finalize.document, []) == []


def test_every_namespace_has_an_account_and_the_ca() -> None:
    account, root = serviceaccounts.reconcile(namespace(), None, None, "PEM")
    assert isinstance(account, Create) and isinstance(root, Create)
    assert (account.resource, account.document["metadata"]) == (SERVICE_ACCOUNTS, {"name": "default", "namespace": "n"})
    assert (root.resource, root.document["data"]) == (CONFIG_MAPS, {"ca.crt": "PEM"})
    assert serviceaccounts.reconcile(namespace(), account.document, root.document, "PEM") == []
    [renewed] = serviceaccounts.reconcile(namespace(), account.document, root.document, "NEW")
    assert isinstance(renewed, Update) and renewed.document["data"] == {"ca.crt": "NEW"}
    assert serviceaccounts.reconcile(namespace(), account.document, None) == []
    assert serviceaccounts.reconcile(namespace(deletionTimestamp="now"), None, None, "PEM") == []
