"""What `kubectl get` prints: pod statuses, every column, durations."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portway.kubeapi import catalogue
from portway.kubeapi.errors import ApiError
from portway.kubeapi.kinds import Kind
from portway.kubeapi.printing import COLUMNS, human_duration, table
from portway.kubeapi.printing.duration import seconds_of, since

NOW = 1_795_000_000.0
M, H, D, Y = 60, 3600, 86400, 365 * 86400

DURATIONS = {
    -5: "<invalid>",
    -1: "0s",
    0: "0s",
    5: "5s",
    119: "119s",
    120: "2m",
    123: "2m3s",
    9 * M + 59: "9m59s",
    10 * M + 1: "10m",
    179 * M: "179m",
    3 * H: "3h",
    3 * H + 5 * M: "3h5m",
    7 * H + 59 * M + 59: "7h59m",
    8 * H + 5 * M: "8h",
    47 * H + 59 * M: "47h",
    48 * H: "2d",
    2 * D + 4 * H: "2d4h",
    7 * D + 23 * H: "7d23h",
    8 * D + 4 * H: "8d",
    400 * D: "400d",
    2 * Y: "2y",
    2 * Y + 3 * D: "2y3d",
    8 * Y + 3 * D: "8y",
    40 * Y: "40y",
}


@pytest.mark.parametrize(("seconds", "wanted"), DURATIONS.items())
def test_durations(seconds: int, wanted: str) -> None:
    assert human_duration(seconds) == wanted


@given(st.integers(0, 20 * Y))
def test_a_duration_is_never_overstated_and_nearly_right(seconds: int) -> None:
    units = {"s": 1, "m": M, "h": H, "d": D, "y": Y}
    told, number = 0, ""
    for char in human_duration(seconds):
        if char.isdigit():
            number += char
        else:
            told, number = told + int(number) * units[char], ""
    assert told <= seconds
    assert seconds - told <= max(seconds * 0.13, 0)


def test_since() -> None:
    assert since(None, NOW) == since("nonsense", NOW) == "<unknown>"
    assert seconds_of("2026-01-01T00:00:00.5Z") == seconds_of("2026-01-01T00:00:00Z") + 0.5  # type: ignore[operator]


def at(seconds: float) -> str:
    """The timestamp of this many seconds before NOW."""
    return datetime.fromtimestamp(NOW - seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cells(api_version: str, kind: str, doc: dict[str, Any], wide: bool = False) -> dict[str, Any]:
    found = catalogue.by_kind(api_version, kind)
    assert found is not None
    doc = {"metadata": {"name": "x", "creationTimestamp": at(300)} | doc.get("metadata", {})} | {
        key: value for key, value in doc.items() if key != "metadata"
    }
    made = table(found, [doc], NOW, {})
    shown = zip(made["columnDefinitions"], made["rows"][0]["cells"], strict=True)
    return {column["name"]: cell for column, cell in shown if wide or not column["priority"]}


RUNNING = {"running": {"startedAt": at(60)}}


def status(**state: Any) -> dict[str, Any]:
    return {"name": "c", "restartCount": 0, "ready": False} | state


def ended(code: int, reason: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code} | ({"reason": reason} if reason else {})}


READY = [{"type": "Ready", "status": "True"}]
PODS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "new": ({"status": {"phase": "Pending"}}, ("0/1", "Pending", "0")),
    "starting": (
        {
            "status": {
                "phase": "Pending",
                "containerStatuses": [status(state={"waiting": {"reason": "ContainerCreating"}})],
            }
        },
        ("0/1", "ContainerCreating", "0"),
    ),
    "running": (
        {"status": {"phase": "Running", "containerStatuses": [status(ready=True, state=RUNNING)]}},
        ("1/1", "Running", "0"),
    ),
    "not ready": (
        {"status": {"phase": "Running", "containerStatuses": [status(state=RUNNING)]}},
        ("0/1", "Running", "0"),
    ),
    "crashing": (
        {
            "status": {
                "phase": "Running",
                "containerStatuses": [
                    status(
                        restartCount=3,
                        state={"waiting": {"reason": "CrashLoopBackOff"}},
                        lastState={"terminated": {"exitCode": 1, "finishedAt": at(300)}},
                    )
                ],
            }
        },
        ("0/1", "CrashLoopBackOff", "3 (5m ago)"),
    ),
    "completed": (
        {"status": {"phase": "Succeeded", "containerStatuses": [status(state=ended(0, "Completed"))]}},
        ("0/1", "Completed", "0"),
    ),
    "failed": (
        {"status": {"phase": "Failed", "containerStatuses": [status(state=ended(1, "Error"))]}},
        ("0/1", "Error", "0"),
    ),
    "failed without a reason": (
        {"status": {"phase": "Failed", "containerStatuses": [status(state=ended(7))]}},
        ("0/1", "ExitCode:7", "0"),
    ),
    "killed": (
        {
            "status": {
                "phase": "Failed",
                "containerStatuses": [status(state={"terminated": {"signal": 9, "exitCode": 137}})],
            }
        },
        ("0/1", "Signal:9", "0"),
    ),
    "evicted": ({"status": {"phase": "Failed", "reason": "Evicted"}}, ("0/1", "Evicted", "0")),
    "gated": (
        {
            "status": {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
            }
        },
        ("0/1", "SchedulingGated", "0"),
    ),
    "terminating": (
        {
            "metadata": {"deletionTimestamp": at(1)},
            "status": {"phase": "Running", "containerStatuses": [status(ready=True, state=RUNNING)]},
        },
        ("1/1", "Terminating", "0"),
    ),
    "gone with its node": (
        {"metadata": {"deletionTimestamp": at(1)}, "status": {"phase": "Running", "reason": "NodeLost"}},
        ("0/1", "Unknown", "0"),
    ),
    "deleted after its end": (
        {
            "metadata": {"deletionTimestamp": at(1)},
            "status": {"phase": "Succeeded", "containerStatuses": [status(state=ended(0, "Completed"))]},
        },
        ("0/1", "Completed", "0"),
    ),
    "one done and one running": (
        {
            "spec": {"containers": [{}, {}]},
            "status": {
                "phase": "Running",
                "conditions": READY,
                "containerStatuses": [status(state=ended(0, "Completed")), status(ready=True, state=RUNNING)],
            },
        },
        ("1/2", "Running", "0"),
    ),
    "one done and one running but not ready": (
        {
            "spec": {"containers": [{}, {}]},
            "status": {
                "phase": "Running",
                "containerStatuses": [status(state=ended(0, "Completed")), status(ready=True, state=RUNNING)],
            },
        },
        ("1/2", "NotReady", "0"),
    ),
    "one done and one failed": (
        {
            "spec": {"containers": [{}, {}]},
            "status": {
                "phase": "Failed",
                "containerStatuses": [status(state=ended(0, "Completed")), status(state=ended(2, "Error"))],
            },
        },
        ("0/2", "Error", "0"),
    ),
    "initialising": (
        {
            "spec": {"containers": [{}], "initContainers": [{"name": "i"}, {"name": "j"}]},
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [
                    {"name": "i", "state": ended(0, "Completed")},
                    {"name": "j", "state": {"running": {}}},
                ],
                "containerStatuses": [status(state={"waiting": {"reason": "PodInitializing"}})],
            },
        },
        ("0/1", "Init:1/2", "0"),
    ),
    "initialising fails": (
        {
            "spec": {"containers": [{}], "initContainers": [{"name": "i"}]},
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [{"name": "i", "restartCount": 2, "state": ended(1, "Error")}],
            },
        },
        ("0/1", "Init:Error", "2"),
    ),
    "initialising fails without a reason": (
        {
            "spec": {"containers": [{}], "initContainers": [{"name": "i"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": ended(3)}]},
        },
        ("0/1", "Init:ExitCode:3", "0"),
    ),
    "initialising waits": (
        {
            "spec": {"containers": [{}], "initContainers": [{"name": "i"}]},
            "status": {
                "phase": "Pending",
                "initContainerStatuses": [{"name": "i", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}],
            },
        },
        ("0/1", "Init:CrashLoopBackOff", "0"),
    ),
    "a sidecar counts": (
        {
            "spec": {"containers": [{}], "initContainers": [{"name": "i", "restartPolicy": "Always"}]},
            "status": {
                "phase": "Running",
                "initContainerStatuses": [
                    {"name": "i", "started": True, "ready": True, "restartCount": 1, "state": RUNNING}
                ],
                "containerStatuses": [status(ready=True, restartCount=1, state=RUNNING)],
            },
        },
        ("2/2", "Running", "2"),
    ),
}


@pytest.mark.parametrize("name", PODS)
def test_pods(name: str) -> None:
    doc, wanted = PODS[name]
    found = cells("v1", "Pod", {"spec": {"containers": [{}]}} | doc)
    assert (found["Ready"], found["Status"], found["Restarts"]) == wanted
    assert found["Age"] == "5m"


TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]},
}
SELECTED = {"selector": {"matchLabels": {"app": "web", "a": "b"}}, "template": TEMPLATE, "replicas": 3}
PORT = {"port": 80, "protocol": "TCP"}
ROWS: list[tuple[str, str, dict[str, Any], list[Any]]] = [
    (
        "v1",
        "Pod",
        {
            "spec": {"nodeName": "node-1", "containers": [{}], "readinessGates": [{"conditionType": "g"}]},
            "status": {
                "phase": "Pending",
                "podIPs": [{"ip": "10.1.2.3"}],
                "conditions": [{"type": "g", "status": "True"}],
            },
        },
        ["x", "0/1", "Pending", "0", "5m", "10.1.2.3", "node-1", "<none>", "1/1"],
    ),
    (
        "v1",
        "Service",
        {"spec": {"type": "ClusterIP", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [PORT]}},
        ["x", "ClusterIP", "10.96.0.1", "<none>", "80/TCP", "5m", "<none>"],
    ),
    (
        "v1",
        "Service",
        {
            "spec": {
                "type": "NodePort",
                "clusterIP": "10.96.0.1",
                "externalIPs": ["192.0.2.1"],
                "selector": {"b": "2", "a": "1"},
                "ports": [PORT | {"nodePort": 30080}, {"port": 53, "protocol": "UDP", "nodePort": 30053}],
            }
        },
        ["x", "NodePort", "10.96.0.1", "192.0.2.1", "80:30080/TCP,53:30053/UDP", "5m", "a=1,b=2"],
    ),
    (
        "v1",
        "Service",
        {"spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [PORT]}},
        ["x", "LoadBalancer", "10.96.0.1", "<pending>", "80/TCP", "5m", "<none>"],
    ),
    (
        "v1",
        "Service",
        {
            "spec": {
                "type": "LoadBalancer",
                "clusterIPs": ["10.96.0.1"],
                "ports": [PORT],
                "externalIPs": ["192.0.2.9"],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}, {"hostname": "lb.example.com"}]}},
        },
        ["x", "LoadBalancer", "10.96.0.1", "192.0.2.2,lb.example.com,192.0.2.9", "80/TCP", "5m", "<none>"],
    ),
    (
        "v1",
        "Service",
        {"spec": {"type": "ExternalName", "externalName": "example.com"}},
        ["x", "ExternalName", "<none>", "example.com", "<none>", "5m", "<none>"],
    ),
    (
        "v1",
        "Service",
        {"spec": {"type": "ClusterIP", "clusterIP": "None"}},
        ["x", "ClusterIP", "None", "<none>", "<none>", "5m", "<none>"],
    ),
    (
        "v1",
        "Endpoints",
        {"subsets": [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(1, 6)], "ports": [{"port": 80}]}]},
        ["x", "10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 2 more...", "5m"],
    ),
    (
        "v1",
        "Endpoints",
        {"subsets": [{"addresses": [{"ip": "fd00::1"}], "ports": [{"port": 80}]}]},
        ["x", "[fd00::1]:80", "5m"],
    ),
    ("v1", "Endpoints", {}, ["x", "<none>", "5m"]),
    (
        "discovery.k8s.io/v1",
        "EndpointSlice",
        {
            "addressType": "IPv4",
            "ports": [{"port": 80}, {"name": "any"}, {}],
            "endpoints": [{"addresses": [f"10.0.0.{n}"]} for n in range(4)],
        },
        ["x", "IPv4", "80,any,*", "10.0.0.0,10.0.0.1,10.0.0.2 + 1 more...", "5m"],
    ),
    ("discovery.k8s.io/v1", "EndpointSlice", {"addressType": "IPv6"}, ["x", "IPv6", "<unset>", "<unset>", "5m"]),
    (
        "apps/v1",
        "Deployment",
        {"spec": SELECTED, "status": {"readyReplicas": 2, "updatedReplicas": 3}},
        ["x", "2/3", 3, 0, "5m", "a,b", "a:1,b:1", "a=b,app=web"],
    ),
    (
        "apps/v1",
        "ReplicaSet",
        {"spec": SELECTED, "status": {"replicas": 3, "readyReplicas": 1}},
        ["x", 3, 3, 1, "5m", "a,b", "a:1,b:1", "a=b,app=web"],
    ),
    (
        "v1",
        "ReplicationController",
        {"spec": SELECTED | {"selector": {"app": "web"}}, "status": {"replicas": 3}},
        ["x", 3, 3, 0, "5m", "a,b", "a:1,b:1", "app=web"],
    ),
    ("apps/v1", "StatefulSet", {"spec": SELECTED}, ["x", "0/3", "5m", "a,b", "a:1,b:1"]),
    ("apps/v1", "DaemonSet", {"spec": SELECTED}, ["x", 0, 0, 0, 0, 0, "<none>", "5m", "a,b", "a:1,b:1", "a=b,app=web"]),
    (
        "v1",
        "Node",
        {
            "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": ""}},
            "spec": {"unschedulable": True},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "172.18.0.11"}],
                "nodeInfo": {"kubeletVersion": "v1.36.0", "kernelVersion": "6.1", "architecture": "amd64"},
            },
        },
        [
            "x",
            "Ready,SchedulingDisabled",
            "edge,worker",
            "5m",
            "v1.36.0",
            "172.18.0.11",
            "<none>",
            "<unknown>",
            "6.1 (amd64)",
            "<unknown>",
        ],
    ),
    (
        "v1",
        "Node",
        {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
        ["x", "NotReady", "<none>", "5m", "", "<none>", "<none>", "<unknown>", "<unknown>", "<unknown>"],
    ),
    ("v1", "Namespace", {"status": {"phase": "Active"}}, ["x", "Active", "5m"]),
    ("v1", "ConfigMap", {"data": {"a": ""}, "binaryData": {"b": "", "c": ""}}, ["x", 3, "5m"]),
    ("v1", "Secret", {"type": "Opaque", "data": {"a": ""}}, ["x", "Opaque", 1, "5m"]),
    ("v1", "ServiceAccount", {}, ["x", "5m"]),
    (
        "v1",
        "Event",
        {
            "type": "Normal",
            "reason": "Started",
            "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{a}"},
            "source": {"component": "kubelet", "host": "node-1"},
            "message": " Started container a\n",
            "firstTimestamp": at(600),
            "lastTimestamp": at(30),
            "count": 4,
        },
        [
            "30s",
            "Normal",
            "Started",
            "pod/p",
            "spec.containers{a}",
            "kubelet, node-1",
            "Started container a",
            "10m",
            4,
            "x",
        ],
    ),
    (
        "networking.k8s.io/v1",
        "Ingress",
        {"spec": {"ingressClassName": "nginx", "rules": [{"host": "a.example"}, {"host": "b.example"}], "tls": [{}]}},
        ["x", "nginx", "a.example,b.example", "", "80, 443", "5m"],
    ),
    ("networking.k8s.io/v1", "Ingress", {"spec": {"rules": [{}]}}, ["x", "<none>", "*", "", "80", "5m"]),
    (
        "networking.k8s.io/v1",
        "IngressClass",
        {
            "metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}},
            "spec": {"controller": "c.io/x", "parameters": {"apiGroup": "g.io", "kind": "K", "name": "n"}},
        },
        ["x (default)", "c.io/x", "K.g.io/n", "5m"],
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
        ["x", "a=b", "5m"],
    ),
    ("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}}}, ["x", "<none>", "5m"]),
    (
        "networking.k8s.io/v1",
        "ServiceCIDR",
        {"spec": {"cidrs": ["10.96.0.0/16", "fd00:96::/112"]}},
        ["x", "10.96.0.0/16,fd00:96::/112", "5m"],
    ),
    (
        "networking.k8s.io/v1",
        "IPAddress",
        {"spec": {"parentRef": {"resource": "services", "namespace": "default", "name": "web"}}},
        ["x", "services/default/web", "5m"],
    ),
    (
        "batch/v1",
        "Job",
        {"spec": {"completions": 3} | SELECTED, "status": {"succeeded": 1, "startTime": at(90)}},
        ["x", "Running", "1/3", "90s", "5m", "a,b", "a:1,b:1", "a=b,app=web"],
    ),
    (
        "batch/v1",
        "CronJob",
        {"spec": {"schedule": "* * * * *", "suspend": False}, "status": {"lastScheduleTime": at(20)}},
        ["x", "* * * * *", "<none>", "False", 0, "20s", "5m", "", "", "<none>"],
    ),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        {
            "spec": {
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "maxReplicas": 5,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}],
            }
        },
        ["x", "Deployment/web", "cpu: <unknown>/80%", "<unset>", 5, 0, "5m"],
    ),
    ("policy/v1", "PodDisruptionBudget", {"spec": {"minAvailable": 1}}, ["x", "1", "N/A", 0, "5m"]),
    (
        "v1",
        "PersistentVolumeClaim",
        {
            "spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
            "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]},
        },
        ["x", "Bound", "v", "1Gi", "RWO", "fast", "<unset>", "5m", "Filesystem"],
    ),
    ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "node-1"}}, ["x", "node-1", "5m"]),
    ("rbac.authorization.k8s.io/v1", "Role", {}, ["x", "5m"]),
]


@pytest.mark.parametrize(
    ("api_version", "kind", "doc", "wanted"), ROWS, ids=[f"{row[1]}{n}" for n, row in enumerate(ROWS)]
)
def test_rows(api_version: str, kind: str, doc: dict[str, Any], wanted: list[Any]) -> None:
    assert list(cells(api_version, kind, doc, wide=True).values()) == wanted


def test_every_kind_prints_an_empty_document() -> None:
    for kind in catalogue.KINDS:
        made = table(kind, [{}, {"metadata": {"name": "x"}, "spec": {}, "status": {}}], NOW, {})
        assert all(len(row["cells"]) == len(made["columnDefinitions"]) for row in made["rows"])


def test_columns_belong_to_kinds() -> None:
    assert COLUMNS.keys() <= {kind.kind for kind in catalogue.KINDS}


POD = Kind(kind="Pod", plural="pods", columns=COLUMNS["Pod"])
DOC = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "status": {"phase": "Succeeded"}}


def test_table() -> None:
    made = table(POD, [DOC], NOW, {"resourceVersion": "7"})
    assert (made["kind"], made["apiVersion"], made["metadata"]) == ("Table", "meta.k8s.io/v1", {"resourceVersion": "7"})
    assert made["columnDefinitions"][0] == {
        "name": "Name",
        "type": "string",
        "format": "name",
        "description": "",
        "priority": 0,
    }
    (row,) = made["rows"]
    assert row["object"] == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}
    assert row["conditions"][0]["message"] == "The pod has completed successfully."


def test_include_object() -> None:
    assert table(POD, [DOC], NOW, {}, "Object")["rows"][0]["object"] is DOC
    assert table(POD, [DOC], NOW, {}, "None")["rows"][0]["object"] is None
    with pytest.raises(ApiError, match='unrecognized includeObject value: "Both"'):
        table(POD, [DOC], NOW, {}, "Both")
