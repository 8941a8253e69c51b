"""`pods/NAME/proxy` and `services/NAME/proxy`: a person reaches what runs in the fleet through its API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Running
from tests.patience import until
from tests.people import readable_by_others

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: agnhost, labels: {app: agnhost}}
spec:
  containers:
  - name: netexec
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    args: [netexec, --http-port, "8080"]
    ports: [{containerPort: 8080}]
  - name: porter
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    command: [/agnhost, porter]
    env: [{name: SERVE_PORT_81, value: '<a href="/there">x</a>'}]
---
apiVersion: v1
kind: Service
metadata: {name: agnhost}
spec:
  selector: {app: agnhost}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: pages, port: 81}, {name: nobody, port: 82}]
"""
PLACE = "/api/v1/namespaces/default"


@pytest.fixture(scope="module")
def agnhost(fleet: Running) -> Iterator[Running]:
    fleet.kubectl("apply", "-f", "-", text=MANIFEST)
    fleet.kubectl("wait", "--for=condition=Ready", "pod/agnhost", "--timeout=90s")
    fleet.kubectl("wait", "--for=jsonpath={.subsets}", "endpoints/agnhost", "--timeout=90s")
    yield fleet
    fleet.kubectl("delete", "-f", "-", "--now", text=MANIFEST)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("pods/agnhost/proxy/hostname", "agnhost"),
        ("pods/agnhost:8080/proxy/echo?msg=a%20b%26c", "a b&c"),
        ("pods/http:agnhost:8080/proxy/serverport", "8080"),
        ("services/agnhost:http/proxy/hostname", "agnhost"),
        ("services/agnhost:80/proxy/hostname", "agnhost"),
        ("pods/agnhost:81/proxy/", f'<a href="{PLACE}/pods/agnhost:81/proxy/there">x</a>'),
    ],
)
def test_what_a_pod_answers_is_told(agnhost: Running, path: str, answer: str) -> None:
    assert agnhost.kubectl("get", "--raw", f"{PLACE}/{path}").stdout == answer


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("services/agnhost:nobody/proxy/", "error trying to reach service"),
        ("services/agnhost:none/proxy/", 'no endpoints available for service "agnhost:none"'),
        ("pods/agnhost:9/proxy/", "error trying to reach service"),
        ("pods/nobody/proxy/", 'pods "nobody" not found'),
        ("pods/ftp:agnhost:1/proxy/", 'invalid request "ftp:agnhost:1"'),
    ],
)
def test_what_cannot_be_reached(agnhost: Running, path: str, words: str) -> None:
    done = agnhost.kubectl("get", "--raw", f"{PLACE}/{path}", check=False)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_pod_is_asked_to_ask_another(agnhost: Running) -> None:
    """How Kubernetes' own tests try connections between pods."""
    address = agnhost.json("get", "service", "agnhost")["spec"]["clusterIP"]
    query = f"dial?host={address}&port=80&request=hostname&protocol=http&tries=2"
    until(lambda: _dialled(agnhost, query) == {"responses": ["agnhost", "agnhost"]}, "the Service answers")


def _dialled(agnhost: Running, query: str) -> Any:
    """What the pod says of what it was answered."""
    return json.loads(agnhost.kubectl("get", "--raw", f"{PLACE}/pods/agnhost/proxy/{query}").stdout)


UNREADY = """
apiVersion: v1
kind: Pod
metadata: {name: unready}
spec:
  containers:
  - name: netexec
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    args: [netexec, --http-port=8080, --udp-port=-1]
    readinessProbe: {exec: {command: [test, -e, FILE]}, periodSeconds: 1}
"""


def test_probes_of_a_played_container_are_heeded(fleet: Running, tmp_path_factory: pytest.TempPathFactory) -> None:
    sign = readable_by_others(tmp_path_factory.mktemp("sign")) / "ready"
    fleet.kubectl("apply", "-f", "-", text=UNREADY.replace("FILE", str(sign)))
    unready = "--for=jsonpath={.status.conditions[?(@.type=='Ready')].reason}=ContainersNotReady"
    fleet.kubectl("wait", unready, "pod/unready", "--timeout=90s")
    sign.touch()
    fleet.kubectl("wait", "--for=condition=Ready", "pod/unready", "--timeout=90s")
    fleet.kubectl("delete", "pod", "unready", "--now")


HOST_PORTS = """
apiVersion: v1
kind: Pod
metadata: {name: at-host, labels: {app: at-host}}
spec:
  nodeName: node-1
  containers:
  - name: netexec
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    args: [netexec, --http-port=8080, --udp-port=8080]
    ports:
    - {containerPort: 8080, hostPort: 54323}
    - {containerPort: 8080, hostPort: 54323, protocol: UDP, hostIP: 172.18.0.11}
"""


def test_host_ports(agnhost: Running) -> None:
    """From another pod, over TCP and UDP, and not after the pod's end."""
    agnhost.kubectl("apply", "-f", "-", text=HOST_PORTS)
    agnhost.kubectl("wait", "--for=condition=Ready", "pod/at-host", "--timeout=90s")
    for protocol in ("http", "udp"):
        query = f"dial?host=172.18.0.11&port=54323&request=hostname&protocol={protocol}"
        until(lambda q=query: _dialled(agnhost, q) == {"responses": ["at-host"]}, protocol)  # type: ignore[misc]
    agnhost.kubectl("delete", "pod", "at-host", "--now")
    query = "dial?host=172.18.0.11&port=54323&request=hostname"
    until(lambda: _dialled(agnhost, query) == {"errors": ["connection refused"]}, "nobody answers any more")


LEAVING = """
apiVersion: v1
kind: Pod
metadata: {name: leaving}
spec:
  terminationGracePeriodSeconds: 60
  containers:
  - name: netexec
    image: registry.k8s.io/e2e-test-images/agnhost:2.63.0
    args: [netexec, --http-port=8080, --udp-port=-1, --delay-shutdown=60]
    readinessProbe: {httpGet: {path: /readyz, port: 8080}, periodSeconds: 1, failureThreshold: 1}
"""


def test_a_pod_that_ends_says_so_and_serves_on(fleet: Running) -> None:
    fleet.kubectl("apply", "-f", "-", text=LEAVING)
    fleet.kubectl("wait", "--for=condition=Ready", "pod/leaving", "--timeout=90s")
    fleet.kubectl("delete", "pod", "leaving", "--wait=false")
    fleet.kubectl("wait", "--for=condition=Ready=False", "pod/leaving", "--timeout=90s")
    assert fleet.kubectl("get", "--raw", f"{PLACE}/pods/leaving:8080/proxy/hostname").stdout == "leaving"
    fleet.kubectl("delete", "pod", "leaving", "--now")
