"""What checks may ask of a bundle."""

from typing import Any

from portway.analysis.bundle import Bundle, Item, dig, written


def _workload(kind: str, name: str, labels: dict[str, str], **metadata: Any) -> Item:
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"ports": [{"containerPort": 80}]}]}}
    spec = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {"template": template}
    body = template if kind == "Pod" else {"spec": spec}
    labelled = {"name": name, "labels": labels} if kind == "Pod" else {"name": name}
    return Item({"apiVersion": "v1", "kind": kind, **body, "metadata": {**labelled, **metadata}})


def test_a_workload_and_its_pods_are_one() -> None:
    owner = [{"kind": "ReplicaSet", "name": "web-1", "controller": True}]
    of_deployment = [{"kind": "Deployment", "name": "web", "controller": True}]
    bundle = Bundle(
        [
            _workload("Deployment", "web", {"app": "web"}),
            _workload("ReplicaSet", "web-1", {"app": "web"}, ownerReferences=of_deployment),
            _workload("Pod", "web-1-a", {"app": "web"}, ownerReferences=owner),
            _workload("Pod", "alone", {"app": "web"}),
            _workload("Pod", "orphan", {"app": "web"}, ownerReferences=[{**owner[0], "name": "elsewhere"}]),
            _workload("CronJob", "nightly", {"app": "job"}),
        ]
    )
    names = [workload.item.name for workload in bundle.selected("default", {"app": "web"})]
    assert names == ["web", "alone", "orphan"]
    assert [w.item.name for w in bundle.selected("default", {"app": "job"})] == ["nightly"]
    assert bundle.selected("default", {}) == () and bundle.selected("other", {"app": "web"}) == ()


def test_what_a_door_runs_is_its_own_although_the_gateway_has_it() -> None:
    """A controller without a pod template says nothing of its pods."""
    owner = [{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "name": "door", "controller": True}]
    door = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "door"}, "spec": {}}
    bundle = Bundle([Item(door), _workload("Deployment", "door-portway", {"app": "door"}, ownerReferences=owner)])
    assert [one.item.name for one in bundle.selected("default", {"app": "door"})] == ["door-portway"]


def test_ports_know_their_paths() -> None:
    (path, port), *_ = Bundle([_workload("CronJob", "a", {"a": "b"})]).workloads[0].ports()
    assert written(path) == "spec.jobTemplate.spec.template.spec.containers[0].ports[0]"
    assert port == {"containerPort": 80}


def test_missing_is_only_said_where_it_is_known() -> None:
    items = [_workload("Deployment", "web", {"a": "b"}, namespace="shop")]
    files, cluster = Bundle(items), Bundle(items, complete=True)
    assert files.in_scope("Deployment", "shop") and not files.in_scope("Service", "shop")
    assert cluster.in_scope("Service", "shop")


def test_values_of_another_shape_are_not_there() -> None:
    assert dig({"spec": {"ports": "80"}}, "spec.ports[0].port", 1) == 1
    assert dig({"spec": {"ports": [{"port": None}]}}, "spec.ports[0].port", 1) == 1
    assert written(("metadata", "annotations", "example.com/a")) == "metadata.annotations[example.com/a]"


def test_kinds_of_others_are_not_ours() -> None:
    """A mesh's Gateway, a network's NetworkPolicy and a platform's Service only share the name."""
    ours = {"Service": "v1", "NetworkPolicy": "networking.k8s.io/v1", "Gateway": "gateway.networking.k8s.io/v1"}
    theirs = {"Service": "serving.knative.dev/v1", "NetworkPolicy": "projectcalico.org/v3", "Gateway": "istio.io/v1"}
    items = [
        Item({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}, "spec": {}})
        for versions in (theirs, ours)
        for kind, version in versions.items()
    ]
    bundle = Bundle(items)
    for kind, version in ours.items():
        assert [item.value["apiVersion"] for item in bundle.of(kind)] == [version]
        found = bundle.find(kind, "default", "a")
        assert found is not None and found.value["apiVersion"] == version
    assert items[1].named == "NetworkPolicy.projectcalico.org default/a"


def test_custom_resources_with_a_pod_template_make_pods() -> None:
    rollout = _workload("Deployment", "web", {"app": "web"})
    rollout = Item({**rollout.value, "apiVersion": "rollouts.example/v1", "kind": "Rollout"})
    (workload,) = Bundle([rollout]).selected("default", {"app": "web"})
    assert workload.item is rollout and [port["containerPort"] for _, port in workload.ports()] == [80]
