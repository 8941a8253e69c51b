"""Caches: whatever happens, every index finds what a scan would; what we doomed counts as going."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from portway.client import Api
from portway.controllers.cache import Cache, label_terms, namespace_terms, owner_terms
from portway.controllers.cluster import _map_terms, selecting
from portway.reconcile.objects import contains_all, is_deleting, labels_of, meta, namespace_of, spec_of
from portway.reconcile.resources import PODS, SERVICES

Doc = dict[str, Any]

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
OBJECTS = st.builds(
    lambda ns, name, labels, owners: {
        "metadata": {
            "namespace": ns,
            "name": name,
            "uid": f"{ns}/{name}",
            "labels": labels,
            "ownerReferences": [{"uid": owner} for owner in owners],
        },
        "spec": {"selector": labels},
    },
    st.sampled_from("mn"),
    st.sampled_from("123"),
    LABELS,
    st.sets(st.sampled_from("pq")),
)
STEPS = st.lists(st.tuples(st.booleans(), OBJECTS), max_size=25)


def cache(*terms: Any) -> Cache:
    return Cache(Api.unix("/nowhere"), PODS, *terms)


def fed(target: Cache, steps: list[tuple[bool, Doc]]) -> Cache:
    for exists, document in steps:
        key = (namespace_of(document), meta(document)["name"])
        target._changed(key, None, document if exists else None)
    return target


@given(STEPS, LABELS)
def test_indexes_find_what_a_scan_would(steps: list[tuple[bool, Doc]], wanted: dict[str, str]) -> None:
    pods = fed(cache(owner_terms, label_terms, namespace_terms), steps)
    everything = list(pods.objects.values())

    def by_name(documents: list[Doc]) -> list[str]:
        return sorted(meta(document)["uid"] for document in documents)

    for namespace in "mn":
        expected = [d for d in everything if namespace_of(d) == namespace and contains_all(labels_of(d), wanted)]
        assert by_name(pods.labelled(namespace, wanted)) == by_name(expected)
    for owner in "pq":
        owned = [d for d in everything if owner in [ref["uid"] for ref in meta(d)["ownerReferences"]]]
        assert by_name(pods.owned_by({"metadata": {"uid": owner}})) == by_name(owned)


@given(STEPS, OBJECTS)
def test_selecting_misses_no_service(steps: list[tuple[bool, Doc]], pod: Doc) -> None:
    services = Cache(Api.unix("/nowhere"), SERVICES, _map_terms)
    fed(services, steps)
    found = [meta(service)["uid"] for service in selecting(services, pod)]
    for service in services.objects.values():
        selects = contains_all(labels_of(pod), spec_of(service)["selector"])
        if selects and namespace_of(service) == namespace_of(pod):
            assert meta(service)["uid"] in found
    assert len(found) == len(set(found))


def version(number: int, **metadata: Any) -> Doc:
    return {"metadata": {"namespace": "n", "name": "p", "uid": "u", "resourceVersion": str(number), **metadata}}


def test_what_was_doomed_stays_doomed_whatever_older_news_comes() -> None:
    pods, heard = cache(), []
    pods.listeners.append(lambda key, old, new: heard.append(new is not None and is_deleting(new)))
    pods._changed(("n", "p"), None, version(1))
    pods.doom(("n", "p"), "u", 0.0)
    assert is_deleting(pods.objects["n", "p"])
    pods._changed(("n", "p"), None, version(2))
    assert is_deleting(pods.objects["n", "p"]), "an update from before the deletion"
    pods._changed(("n", "p"), None, version(3, deletionTimestamp="now"))
    assert meta(pods.objects["n", "p"])["deletionTimestamp"] == "now"
    pods._changed(("n", "p"), None, None)
    pods._changed(("n", "p"), None, version(5, uid="another"))
    assert not is_deleting(pods.objects["n", "p"])
    assert heard == [False, True, True, True, False, False]


def test_dooming_another_object_of_the_name_does_nothing() -> None:
    pods = cache()
    pods._changed(("n", "p"), None, version(1))
    pods.doom(("n", "p"), "other", 0.0)
    assert not is_deleting(pods.objects["n", "p"])
