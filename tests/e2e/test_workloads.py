"""StatefulSets, DaemonSets and Jobs in a fleet, as kubectl's users see them."""

import pytest

from tests.e2e.conftest import Running, converse

NAMESPACE = "ordered"
MANIFEST = """\
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: pg, port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: pg, image: "postgres:16", ports: [{containerPort: 5432}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: a, image: "agent:1", ports: [{containerPort: 9100}]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  completions: 2
  template:
    metadata: {annotations: {portway.dev/runtime: process}}
    spec: {restartPolicy: Never, containers: [{name: m, image: x, command: [sh, -c, "echo migrated"]}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: image}
spec:
  template:
    spec: {restartPolicy: OnFailure, containers: [{name: m, image: "example/migrate"}]}
"""
CONVERSATION: list[tuple[str, str]] = [
    ("rollout status sts/db --timeout=60s", r"roll out complete: 2 new pods"),
    ("rollout status ds/agent --timeout=60s", r"successfully rolled out"),
    (
        "wait --for=condition=Complete job/migrate job/image --timeout=60s",
        r"(?s)migrate condition met.*image condition",
    ),
    ("get sts db", r"db\s+2/2"),
    ("get ds agent", r"agent\s+3\s+3\s+3\s+3\s+3"),
    ("get jobs migrate", r"migrate\s+Complete\s+2/2"),
    ("logs job/migrate", r"^migrated$"),
    ("get pods -l app=db -o name", r"^pod/db-0\npod/db-1\n$"),
    ("get pvc -o name", r"claim/data-db-0\n.*claim/data-db-1"),
    ("exec db-0 -- getent hosts db-1.db", r"10\.244\.\S+\s+db-1\.db\.ordered\.svc\.cluster\.local"),
    ("exec db-0 -- hostname", r"^db-0$"),
    ("get pods -l app=agent -o jsonpath={.items[*].spec.nodeName}", r"(?=.*node-1)(?=.*node-2)(?=.*node-3)"),
    ("scale sts db --replicas=1", r"scaled"),
    ("wait --for=delete pod/db-1 --timeout=60s", r""),
    ("set image sts/db pg=postgres:17", r"image updated"),
    ("rollout status sts/db --timeout=60s", r"roll out complete"),
    ("get pod db-0 -o jsonpath={.spec.containers[0].image}", r"^postgres:17$"),
    ("rollout history sts/db", r"1\s+<none>\n2\s+<none>"),
    ("rollout undo sts/db", r"rolled back"),
    ("rollout status sts/db --timeout=60s", r"roll out complete"),
    ("get pod db-0 -o jsonpath={.spec.containers[0].image}", r"^postgres:16$"),
    ("set image ds/agent a=agent:2", r"image updated"),
    ("rollout status ds/agent --timeout=60s", r"successfully rolled out"),
    ("describe sts db", r"(?s)Replicas:\s+1 desired \| 1 total.*SuccessfulCreate"),
    ("describe job migrate", r"(?s)Pods Statuses:\s+0 Active \(0 Ready\) / 2 Succeeded / 0 Failed.*Completed"),
    ("delete sts,ds,jobs --all --wait", r"(?s)\"db\" deleted.*\"agent\" deleted.*\"migrate\" deleted"),
    ("wait --for=delete pod --all --timeout=60s", r""),
]


@pytest.fixture(scope="module")
def ordered(fleet: Running) -> Running:
    fleet.kubectl("create", "namespace", NAMESPACE)
    fleet.kubectl("apply", "-n", NAMESPACE, "-f", "-", text=MANIFEST)
    return fleet


def test_a_conversation(ordered: Running) -> None:
    for line, expected in CONVERSATION:
        converse(ordered, ["-n", NAMESPACE, *line.split()], expected)
