"""The schema hangs together, and says of known fields what Kubernetes says."""

import pytest

from portway.kubeapi.catalogue import KINDS
from portway.kubeapi.schema import SCALARS, TYPES, Field, field_at
from portway.kubeapi.schema.notation import read

FIELDS = [(type_, field) for type_ in TYPES.values() for field in type_.fields.values()]


def test_every_type_that_a_field_names_exists() -> None:
    assert [(t.name, f.name, f.type) for t, f in FIELDS if f.type not in SCALARS and f.type not in TYPES] == []


def test_every_kind_has_its_schema_with_metadata() -> None:
    free = [kind.kind for kind in KINDS if not kind.schema]
    assert set(free) == {"CustomResourceDefinition", "BFDProfile", "Community"}
    for kind in KINDS:
        if kind.schema:
            assert {"apiVersion", "kind", "metadata"} <= TYPES[kind.schema].fields.keys()
            assert TYPES[kind.schema].doc, f"{kind.kind} says nothing about itself"
            assert ("status" not in TYPES[kind.schema].fields) <= (not kind.status)


def test_every_type_is_used() -> None:
    roots = {kind.schema for kind in KINDS} | {"ListMeta", "Scale", "Eviction"}
    assert TYPES.keys() - {field.type for _, field in FIELDS} - roots == set()


def test_definitions_are_unique() -> None:
    assert len({type_.definition for type_ in TYPES.values()}) == len(TYPES)


def test_merge_keys_are_fields_of_the_items() -> None:
    missing = [
        (t.name, f.name, key)
        for t, f in FIELDS
        for key in f.merge_keys
        if f.type not in TYPES or key not in TYPES[f.type].fields
    ]
    assert missing == []


def test_list_flags_only_on_lists() -> None:
    wrong = [(t.name, f.name) for t, f in FIELDS if f.many != "list" and (f.merge_keys or f.set_list)]
    assert wrong == []
    values = [(t.name, f.name) for t, f in FIELDS if f.enum and f.type != "string"]
    assert values == []


@pytest.mark.parametrize(
    ("kind", "path", "patch_key", "map_keys", "strategy"),
    [
        ("Service", "spec.ports", "port", ("port", "protocol"), "merge"),
        ("Service", "spec.externalIPs", "", (), ""),
        ("Service", "spec.loadBalancerSourceRanges", "", (), ""),
        ("Service", "status.conditions", "type", ("type",), "merge"),
        ("Pod", "spec.containers", "name", ("name",), "merge"),
        ("Pod", "spec.containers.ports", "containerPort", ("containerPort", "protocol"), "merge"),
        ("Pod", "spec.containers.env", "name", ("name",), "merge"),
        ("Pod", "spec.containers.volumeMounts", "mountPath", ("mountPath",), "merge"),
        ("Pod", "spec.containers.volumeDevices", "devicePath", ("devicePath",), "merge"),
        ("Pod", "spec.containers.args", "", (), ""),
        ("Pod", "spec.containers.resources.claims", "", ("name",), ""),
        ("Pod", "spec.volumes", "name", ("name",), "merge,retainKeys"),
        ("Pod", "spec.tolerations", "", (), ""),
        ("Pod", "spec.hostAliases", "ip", ("ip",), "merge"),
        (
            "Pod",
            "spec.topologySpreadConstraints",
            "topologyKey",
            ("topologyKey", "whenUnsatisfiable"),
            "merge",
        ),
        ("Pod", "status.podIPs", "ip", ("ip",), "merge"),
        ("Pod", "status.hostIPs", "ip", (), "merge"),
        ("Deployment", "spec.strategy", "", (), "retainKeys"),
        ("Deployment", "spec.template.spec.imagePullSecrets", "name", ("name",), "merge"),
        ("Deployment", "metadata.ownerReferences", "uid", ("uid",), "merge"),
        ("ServiceAccount", "secrets", "name", ("name",), "merge"),
        ("EndpointSlice", "endpoints", "", (), ""),
        ("PodDisruptionBudget", "spec.selector", "", (), "replace"),
    ],
)
def test_how_lists_are_merged(kind: str, path: str, patch_key: str, map_keys: tuple[str, ...], strategy: str) -> None:
    field = field_at(kind, tuple(path.split(".")))
    assert field
    assert (field.patch_merge_key, field.list_map_keys, field.strategy) == (patch_key, map_keys, strategy)


def test_sets_and_atomic_maps() -> None:
    finalizers = field_at("Pod", ("metadata", "finalizers"))
    assert finalizers
    assert finalizers.set_list
    assert finalizers.strategy == "merge"
    selector = field_at("Service", ("spec", "selector"))
    assert selector
    assert selector.atomic
    assert TYPES["LabelSelector"].atomic
    assert not TYPES["PodSpec"].atomic


def test_field_at_finds_nothing_beyond_the_known() -> None:
    assert field_at("Service", ("spec", "foo")) is None
    assert field_at("Service", ("metadata", "name", "deeper")) is None
    assert field_at("Nothing", ("spec",)) is None


def test_notation() -> None:
    text = """\
package io.k8s.api.x.v1

other.Thing atomic  # A thing.
  a! [x,y]Item =A|B default:A go:v1.Letter  # Its doc.
  b {}Quantity atomic
  c [set]string merge
    # On its own line.
"""
    (thing,) = read(text)
    assert thing.definition == "io.k8s.api.x.v1.Thing"
    assert (thing.name, thing.go_name, thing.atomic, thing.doc) == ("other.Thing", "Thing", True, "A thing.")
    assert thing.fields == {
        "a": Field(
            "a",
            "Item",
            "list",
            required=True,
            merge_keys=("x", "y"),
            strategy="merge",
            enum=("A", "B"),
            go_type="v1.Letter",
            default="A",
            doc="Its doc.",
        ),
        "b": Field("b", "Quantity", "map", atomic=True),
        "c": Field("c", "string", "list", strategy="merge", set_list=True, doc="On its own line."),
    }


@pytest.mark.parametrize("text", ["T\n  a string nonsense\n", "T strange\n", "T\n  a string go:\n"])
def test_notation_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(ValueError, match="cannot read"):
        list(read(text))
