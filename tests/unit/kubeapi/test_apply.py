"""Server-side apply: who owns what, what goes when it is no longer said, and when two managers disagree."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi.errors import ApiError
from portway.kubeapi.patch import apply, field_set, managed
from portway.kubeapi.patch.apply import Writer

Doc = dict[str, Any]
ANN, BOB = Writer("ann", "2026-01-01T00:00:00Z"), Writer("bob", "2026-01-02T00:00:00Z")


def service(metadata: Doc | None = None, **spec: Any) -> Doc:
    made: Doc = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"} | (metadata or {})}
    return made | ({"spec": spec} if spec else {})


def applied(live: Doc | None, config: Doc, writer: Writer = ANN, force: bool = False) -> Doc:
    before = copy.deepcopy((live, config))
    result = apply.apply(live, config, "Service", writer, force)
    assert (live, config) == before, "neither the document nor the config may change"
    return result


def owners(doc: Doc) -> dict[str, list[str]]:
    """{manager: the fields it owns}, as text."""
    return {manager.name: sorted(map(field_set.text, manager.fields)) for manager in managed.read(doc)}


def content(doc: Doc) -> Doc:
    metadata = {name: value for name, value in doc["metadata"].items() if name != "managedFields"}
    return doc | {"metadata": metadata}


def port(number: int, **rest: Any) -> Doc:
    return {"port": number} | rest


def test_create() -> None:
    config = service({"labels": {"a": "1"}}, type="ClusterIP", ports=[port(80, name="http")])
    made = applied(None, config)
    assert content(made) == config
    assert made["metadata"]["managedFields"] == [
        {
            "manager": "ann",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:a": {}}},
                "f:spec": {
                    "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}}},
                    "f:type": {},
                },
            },
        }
    ]


def test_applying_again_changes_nothing() -> None:
    config = service({"labels": {"a": "1"}}, ports=[port(80)])
    made = applied(None, config)
    assert applied(made, config, Writer("ann", "2027-01-01T00:00:00Z")) is made


def test_what_is_no_longer_said_goes() -> None:
    made = applied(None, service({"labels": {"a": "1", "b": "2"}}, ports=[port(80), port(81)], type="NodePort"))
    made["spec"]["clusterIP"] = "10.96.0.1"
    made["spec"]["ports"][0]["nodePort"] = 30080
    again = applied(made, service({"labels": {"a": "1"}}, ports=[port(80)]))
    assert content(again) == service({"labels": {"a": "1"}}, ports=[port(80, nodePort=30080)], clusterIP="10.96.0.1")


def test_emptied_containers_go() -> None:
    made = applied(None, service({"labels": {"a": "1"}, "finalizers": ["x.io/y"]}))
    assert content(applied(made, service())) == service()


def test_shared_fields_stay_until_their_last_owner_lets_go() -> None:
    both = applied(applied(None, service({"labels": {"a": "1"}})), service({"labels": {"a": "1"}}), BOB)
    assert owners(both) == {"ann": [".metadata.labels.a"], "bob": [".metadata.labels.a"]}
    one = applied(both, service())
    assert (one["metadata"]["labels"], owners(one)) == ({"a": "1"}, {"bob": [".metadata.labels.a"]})
    assert content(applied(one, service(), BOB)) == service()


def test_managers_fill_one_keyed_list() -> None:
    made = applied(applied(None, service(ports=[port(80), port(443)])), service(ports=[port(81), port(443)]), BOB)
    assert [item["port"] for item in made["spec"]["ports"]] == [80, 81, 443]
    assert [item["port"] for item in applied(made, service(ports=[port(443)]))["spec"]["ports"]] == [81, 443]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ([1, 2], [3], [1, 2, 3]),
        ([1, 2, 3], [3, 1], [3, 1, 2]),
        ([1, 2, 3], [2, 9], [1, 2, 3, 9]),
        ([], [2, 1], [2, 1]),
        ([1, 2], [], [1, 2]),
        ([1, 1, 2], [3], [1, 1, 2, 3]),
        ([1, 1, 2], [1], [1, 2]),
    ],
)
def test_order_of_a_merged_list(old: list[int], new: list[int], wanted: list[int]) -> None:
    made = applied({"spec": {"ports": [port(n) for n in old]}}, service(ports=[port(n) for n in new]))
    assert [item["port"] for item in made["spec"]["ports"]] == wanted


def test_items_differ_by_all_their_keys() -> None:
    config = service(ports=[port(53, protocol="UDP"), port(53, protocol="TCP")])
    assert content(applied(applied(None, config), service(ports=[port(53)]), BOB)) == config


def test_an_atomic_field_is_owned_whole() -> None:
    made = applied(None, service(selector={"a": "1"}))
    assert owners(made) == {"ann": [".spec.selector"]}
    with pytest.raises(ApiError, match=r"\.spec\.selector$"):
        applied(made, service(selector={"a": "1", "b": "2"}), BOB)


def test_a_set_is_owned_by_value() -> None:
    made = applied(applied(None, service({"finalizers": ["a.io/x"]})), service({"finalizers": ["b.io/x"]}), BOB)
    assert sorted(made["metadata"]["finalizers"]) == ["a.io/x", "b.io/x"]
    assert owners(made)["bob"] == ['.metadata.finalizers[="b.io/x"]']
    assert applied(made, service())["metadata"]["finalizers"] == ["b.io/x"]


def test_one_conflict() -> None:
    made = applied(None, service(ports=[port(80, name="http")]))
    with pytest.raises(ApiError) as caught:
        applied(made, service(ports=[port(80, name="web")]), BOB)
    field = '.spec.ports[port=80,protocol="TCP"].name'
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")
    assert caught.value.message == f'Apply failed with 1 conflict: conflict with "ann": {field}'
    cause = {"reason": "FieldManagerConflict", "message": 'conflict with "ann"', "field": field}
    assert caught.value.details == {"causes": [cause]}


def test_conflicts_of_several() -> None:
    made = apply.update(None, service(type="NodePort"), "Service", Writer("kubectl-create", ANN.time))
    made = applied(made, service({"labels": {"a": "1", "b": "2"}}))
    with pytest.raises(ApiError) as caught:
        applied(made, service({"labels": {"a": "x", "b": "y"}}, type="ClusterIP"), BOB)
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "ann":\n- .metadata.labels.a\n- .metadata.labels.b\n'
        'conflicts with "kubectl-create" using v1:\n- .spec.type'
    )


def test_force_takes_the_fields() -> None:
    made = applied(None, service({"labels": {"a": "1", "b": "2"}}))
    taken = applied(made, service({"labels": {"a": "x"}}), BOB, force=True)
    assert taken["metadata"]["labels"] == {"a": "x", "b": "2"}
    assert owners(taken) == {"ann": [".metadata.labels.b"], "bob": [".metadata.labels.a"]}


def test_the_same_value_is_no_conflict() -> None:
    made = applied(applied(None, service(type="NodePort")), service(type="NodePort"), BOB)
    assert owners(made) == {"ann": [".spec.type"], "bob": [".spec.type"]}


def test_an_update_takes_what_it_changes() -> None:
    made = applied(None, service({"labels": {"a": "1", "b": "2"}}, type="NodePort"))
    changed = copy.deepcopy(made)
    changed["metadata"]["labels"] = {"a": "x"}
    updated = apply.update(made, changed, "Service", BOB)
    assert owners(updated) == {"ann": [".spec.type"], "bob": [".metadata.labels.a"]}
    assert [manager.operation for manager in managed.read(updated)] == ["Apply", "Update"]
    with pytest.raises(ApiError, match=r'conflict with "bob" using v1: \.metadata\.labels\.a'):
        applied(updated, service({"labels": {"a": "1"}}))


def test_an_update_that_changes_nothing_owns_nothing() -> None:
    made = applied(None, service(type="NodePort"))
    assert apply.update(made, content(made), "Service", BOB) == made


def test_subresources_are_managers_of_their_own() -> None:
    made = applied(None, service(type="NodePort"))
    status = copy.deepcopy(made) | {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    updated = apply.update(made, status, "Service", Writer("ann", BOB.time, "status"))
    assert [manager.identity for manager in managed.read(updated)] == [
        ("ann", "Apply", ""),
        ("ann", "Update", "status"),
    ]


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ([], 400, "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (service({"managedFields": [{}]}), 400, "metadata.managedFields must be nil"),
        (
            service(ports=[port(80), port(80, protocol="TCP")]),
            500,
            "failed to create typed patch object (/web; /v1, Kind=Service): "
            '.spec.ports: duplicate entries for key [port=80,protocol="TCP"]',
        ),
    ],
)
def test_refused(config: Any, code: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        apply.apply(None, config, "Service", ANN)
    assert (caught.value.code, caught.value.message) == (code, message)


NAMES = st.sampled_from(["a", "b", "c"])
PORTS = st.lists(
    st.builds(lambda number, name: {"port": number, "name": name}, st.integers(1, 4), NAMES),
    unique_by=lambda item: item["port"],
    max_size=3,
)
CONFIGS = st.builds(
    lambda labels, finalizers, ports, kind: service(
        {"labels": labels, "finalizers": finalizers}, ports=ports, selector={"app": kind}, type=kind
    ),
    st.dictionaries(NAMES, NAMES, max_size=3),
    st.lists(NAMES, unique=True, max_size=3),
    PORTS,
    st.sampled_from(["ClusterIP", "NodePort"]),
)


@given(CONFIGS, CONFIGS)
def test_a_manager_alone_gets_exactly_what_it_says(first: Doc, second: Doc) -> None:
    fresh, again = applied(None, second), applied(applied(None, first), second)
    assert content(again)["spec"]["type"] == second["spec"]["type"]
    assert without_empties(content(again)) == without_empties(content(fresh))
    assert applied(again, second) is again


@given(CONFIGS, CONFIGS)
def test_force_always_wins_and_the_other_can_take_it_back(one: Doc, other: Doc) -> None:
    made = applied(applied(None, one), other, BOB, force=True)
    assert includes(made, other)
    assert includes(applied(made, one, force=True), one)


@given(CONFIGS, CONFIGS)
def test_conflict_exactly_when_force_would_take_fields(one: Doc, other: Doc) -> None:
    made = applied(None, one)
    taken = managed.read(made)[0].fields - managed.read(applied(made, other, BOB, force=True))[0].fields
    try:
        applied(made, other, BOB)
    except ApiError as error:
        assert sorted(cause["field"] for cause in (error.details or {})["causes"]) == sorted(map(field_set.text, taken))
    else:
        assert not taken


@given(CONFIGS)
def test_field_sets_survive_their_notation(config: Doc) -> None:
    (manager,) = managed.read(applied(None, config))
    assert field_set.decode(field_set.encode(manager.fields)) == manager.fields


FIELDS = st.sampled_from(["metadata", "spec", "labels", "finalizers", "ports", "port", "selector", "$patch", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.none() | st.dictionaries(FIELDS, JSON), JSON)
def test_any_json_is_applied_or_refused(live: Doc | None, config: Any) -> None:
    live = None if live is None else live | {"metadata": {}}
    try:
        made = apply.apply(live, config, "Service", ANN)
    except ApiError as error:
        assert error.code in (400, 409)
    else:
        apply.update(made, made | {"spec": config}, "Service", BOB)


def without_empties(value: Any) -> Any:
    if isinstance(value, dict):
        parts = {name: without_empties(part) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part not in ({}, [])}
    return [without_empties(item) for item in value] if isinstance(value, list) else value


def includes(doc: Any, config: Any) -> bool:
    """Whether all that `config` says is so in `doc`."""
    if isinstance(config, dict):
        return all(name in doc and includes(doc[name], part) for name, part in config.items())
    if isinstance(config, list):
        return all(any(includes(item, part) for item in doc) for part in config)
    return bool(doc == config)
