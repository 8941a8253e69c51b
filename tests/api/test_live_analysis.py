"""audit, lint and diff of a live cluster by its kubeconfig: what it is now beside a snapshot; only read."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from portway.cli.audit import command as audit
from portway.cli.diff import command as diff
from portway.cli.lint import command as lint
from portway.cli.snapshot import command as snapshot
from portway.cli.trace import command as trace
from portway.testing import apiserver
from tests.api.http import Http

NODE = {"metadata": {"name": "node-1"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.11"}]}}
SERVICE = {
    "metadata": {"name": "web"},
    "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
}
POD = {
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
}
RUNNING = {"status": {"phase": "Running", "podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.2"}]}}
SLICE = {
    "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    "endpoints": [{"addresses": ["10.244.1.2"], "nodeName": "node-1", "targetRef": {"kind": "Pod", "name": "web"}}],
}


@pytest.fixture
def shop(fresh_server: apiserver.Server, monkeypatch: pytest.MonkeyPatch) -> Http:
    """A Service and its pod in namespace default, of a server that KUBECONFIG names."""
    monkeypatch.setenv("KUBECONFIG", str(fresh_server.kubeconfig))
    http = Http(fresh_server.unix)
    space = "/api/v1/namespaces/default"
    merge = {"Content_Type": "application/merge-patch+json"}
    for answer in (
        http.post("/api/v1/nodes", NODE),
        http.post(f"{space}/services", SERVICE),
        http.post(f"{space}/pods", POD),
        http.send("PATCH", f"{space}/pods/web/status", RUNNING, **merge),
        http.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", SLICE),
    ):
        assert answer.code in (200, 201), answer
    return http


def _run(command: Callable[..., object], *args: str) -> Result:
    return CliRunner().invoke(command, list(args))  # type: ignore[arg-type]


def test_a_live_cluster_is_a_moment(fresh_server: apiserver.Server, shop: Http, tmp_path: Path) -> None:
    """A Service that becomes a NodePort after the snapshot: gained exposure, with a connection to show it."""
    context = "context:" + yaml.safe_load(fresh_server.kubeconfig.read_text())["current-context"]
    monday = tmp_path / "monday.json"
    monday.write_text(_run(snapshot, "--kubeconfig", str(fresh_server.kubeconfig)).stdout)
    assert _run(diff, str(monday), context, "--fail-on", "any").exit_code == 0
    merge = {"Content_Type": "application/merge-patch+json"}
    shop.send("PATCH", "/api/v1/namespaces/default/services/web", {"spec": {"type": "NodePort"}}, **merge)
    before = shop.get("/api/v1/services").doc["metadata"]["resourceVersion"]
    run = _run(diff, str(monday), context, "--fail-on", "exposure", "-o", "json")
    gained, *_ = json.loads(run.stdout)["changes"]
    assert run.exit_code == 1 and gained["kind"] == "exposure-gained"
    assert gained["example"].endswith("→ 10.244.1.2:8080") and "172.18.0.11" in gained["example"]
    drift = _run(audit, "--kubeconfig", str(fresh_server.kubeconfig), "--since", str(monday)).stdout
    assert "exposure-gained" in drift and "type ClusterIP → NodePort" in drift
    assert _run(lint, "--kubeconfig", str(fresh_server.kubeconfig)).exit_code == 0
    assert shop.get("/api/v1/services").doc["metadata"]["resourceVersion"] == before, "only read"


def test_a_trace_in_a_live_cluster_follows_its_pools_and_its_announcers_leases(
    fresh_server: apiserver.Server, shop: Http
) -> None:
    merge = {"Content_Type": "application/merge-patch+json"}
    metallb = "/apis/metallb.io/v1beta1/namespaces/metallb-system"
    pool = {"metadata": {"name": "home"}, "spec": {"addresses": ["192.0.2.240/32"]}}
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.240", "ipMode": "VIP"}]}}}
    doubts = '[{"code": "LB_TWO_ANSWER", "message": "another has it", "address": "192.0.2.240"}]'
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"

    def lease(role: str, **annotations: str) -> dict[str, object]:
        noted = {f"portway.dev/{key.replace('_', '-')}": value for key, value in annotations.items()}
        about = {"name": f"of-{role}", "labels": {"portway.dev/announcer": role}, "annotations": noted}
        since = {"acquireTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}", "leaseTransitions": 1}
        return {"metadata": about, "spec": {"holderIdentity": "node-1", **since}}

    def traced() -> str:
        return _run(trace, "--kubeconfig", str(fresh_server.kubeconfig), "192.0.2.240:80").stdout

    shop.post("/api/v1/namespaces", {"metadata": {"name": "metallb-system"}})
    service = "/api/v1/namespaces/default/services/web"
    for answer in (
        shop.post(f"{metallb}/ipaddresspools", pool),
        shop.send("PATCH", service, {"spec": {"type": "LoadBalancer"}}, **merge),
        shop.send("PATCH", f"{service}/status", status, **merge),
    ):
        assert answer.code in (200, 201), answer
    assert "ends     LB_NOT_ADVERTISED: " in traced()
    assert shop.post(f"{metallb}/l2advertisements", {"metadata": {"name": "home"}, "spec": {}}).code == 201
    assert "[node-1 192.0.2.240:80]" in traced() and "LB_TWO_ANSWER" not in traced()
    for document in (lease("address", announced_address="192.0.2.240"), lease("node", announcement_doubts=doubts)):
        assert shop.post(leases, document).code == 201
    assert "LB_TWO_ANSWER: node-1: another has it" in traced()
    assert "LB_MOVED_LATELY: node-1 has it since" in traced()
