"""The real kubectl against the server: what people type, and what they read."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from portway.testing import apiserver
from tests.api.http import Http

PACKAGED = Path(sys.executable).with_name("kubectl")
SYSTEM = shutil.which("kubectl", path=os.environ.get("PATH", "").replace(str(PACKAGED.parent), ""))
KUBECTLS = {"packaged": str(PACKAGED) if PACKAGED.exists() else None, "system": SYSTEM}

SHOP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 8080, name: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"""


@dataclass
class Kubectl:
    """kubectl in one namespace; a call gives its output and fails with its errors."""

    binary: str
    home: Path
    kubeconfig: Path
    namespace: str

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [self.binary, "--namespace", self.namespace, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env={"HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig), "PATH": os.environ["PATH"]} | environment,
        )

    def __call__(self, line: str, stdin: str = "", **environment: str) -> str:
        done = self.run(*line.split(), stdin=stdin, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, line: str, stdin: str = "") -> str:
        done = self.run(*line.split(), stdin=stdin)
        assert done.returncode != 0, done.stdout
        return done.stderr.strip()

    def get(self, what: str) -> "dict[str, object]":
        found: dict[str, object] = json.loads(self(f"get {what} -o json"))
        return found


@pytest.fixture(params=list(KUBECTLS))
def kubectl(
    request: pytest.FixtureRequest, server: apiserver.Server, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kubectl]:
    binary = KUBECTLS[request.param]
    if binary is None:
        pytest.skip(f"no {request.param} kubectl on this machine")
    yield Kubectl(binary, tmp_path_factory.mktemp("home"), server.kubeconfig, namespace)


@pytest.fixture
def shop(kubectl: Kubectl) -> Kubectl:
    assert kubectl("apply -f -", SHOP) == "deployment.apps/web created\nservice/web created\n"
    return kubectl


def test_apply_is_idempotent_and_changes_what_changed(shop: Kubectl) -> None:
    assert shop("apply -f -", SHOP) == "deployment.apps/web unchanged\nservice/web unchanged\n"
    changed = SHOP.replace("port: 80,", "port: 81,").replace("replicas: 2", "replicas: 3")
    assert shop("apply -f -", changed) == "deployment.apps/web configured\nservice/web configured\n"
    assert shop("get deploy web -o jsonpath={.spec.replicas}") == "3"
    assert shop("get svc web -o jsonpath={.spec.ports[*].port}") == "81"
    assert shop("delete -f -", SHOP).count("deleted") == 2


def test_a_list_is_applied(kubectl: Kubectl) -> None:
    """kubectl checks the items of a List itself, by the OpenAPI v2 document."""
    items = "".join(f"- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n" for name in "ab")
    assert kubectl("apply -f -", f"apiVersion: v1\nkind: List\nitems:\n{items}") == (
        "configmap/a created\nconfigmap/b created\n"
    )


def test_get(shop: Kubectl) -> None:
    head, row = shop("get svc web -o wide").splitlines()
    assert head.split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]
    assert row.split()[:2] == ["web", "NodePort"] and row.split()[-1] == "app=web"
    assert shop("get svc web -o name") == "service/web\n"
    assert "  clusterIPs:\n" in shop("get svc web -o yaml")
    assert shop.get("svc web")["kind"] == "Service"
    assert shop("get deploy,svc --no-headers").count("\n") == 2
    assert shop("get all -l app=nobody") == ""
    assert shop("get svc --field-selector spec.type=NodePort -o name") == "service/web\n"
    assert 'services "absent" not found' in shop.fails("get svc absent")
    assert "the server doesn't have a resource type" in shop.fails("get nonsense")


def test_describe(shop: Kubectl) -> None:
    text = shop("describe svc web")
    for line in ("Type:NodePort", "Port:<unset>80/TCP", "TargetPort:8080/TCP", "SessionAffinity:None"):
        assert line in "".join(text.split())
    assert "2 desired" in shop("describe deploy web")


def test_expose_and_scale(shop: Kubectl) -> None:
    assert shop("expose deploy web --name other --port 81 --type=NodePort") == "service/other exposed\n"
    assert shop("get svc other -o jsonpath={.spec.selector.app}") == "web"
    assert 30000 <= int(shop("get svc other -o jsonpath={.spec.ports[0].nodePort}")) <= 32767
    assert shop("scale deploy web --replicas=5") == "deployment.apps/web scaled\n"
    assert shop("get deploy web -o jsonpath={.spec.replicas}") == "5"
    assert "Expected replicas to be 2, was 5" in shop.fails("scale deploy web --current-replicas=2 --replicas=3")


def test_label_annotate_edit(shop: Kubectl) -> None:
    assert shop("label svc web tier=front") == "service/web labeled\n"
    assert shop("annotate svc web note=hi") == "service/web annotated\n"
    assert shop("get svc -l tier=front -o name") == "service/web\n"
    assert shop("label svc web tier-") == "service/web unlabeled\n"
    assert shop("edit svc web", KUBE_EDITOR="sed -i s/targetPort:.8080/targetPort:\\ 9090/") == "service/web edited\n"
    assert shop("get svc web -o jsonpath={.spec.ports[0].targetPort}") == "9090"
    assert "cancelled" in shop.run("edit", "svc", "web", KUBE_EDITOR="true").stderr


@pytest.mark.parametrize(
    ("form", "patch", "ports"),
    [
        ("strategic", '{"spec":{"ports":[{"port":443,"name":"b"},{"port":80,"name":"a"}]}}', "443 80"),
        ("merge", '{"spec":{"ports":[{"port":443}]}}', "443"),
        ("json", '[{"op":"replace","path":"/spec/ports/0/port","value":8443}]', "8443"),
    ],
)
def test_patch(shop: Kubectl, form: str, patch: str, ports: str) -> None:
    assert shop(f"patch svc web --type={form} -p {patch}") == "service/web patched\n"
    assert shop("get svc web -o jsonpath={.spec.ports[*].port}") == ports


def test_create_in_kubectls_own_words(kubectl: Kubectl) -> None:
    """These send protobuf."""
    assert kubectl("create deployment d --image=nginx --replicas=2 --port=80") == "deployment.apps/d created\n"
    assert kubectl("get deploy d -o jsonpath={.spec.replicas}") == "2"
    assert kubectl("create configmap c --from-literal=a=b") == "configmap/c created\n"
    assert kubectl("get cm c -o jsonpath={.data.a}") == "b"
    assert kubectl("create secret generic s --from-literal=a=b") == "secret/s created\n"
    assert kubectl("get secret s -o jsonpath={.data.a}") == "Yg=="
    assert kubectl("create serviceaccount sa") == "serviceaccount/sa created\n"
    assert kubectl("create service clusterip x --tcp=80:8080") == "service/x created\n"
    assert kubectl("create ingress i --rule=shop.example/*=x:80") == "ingress.networking.k8s.io/i created\n"
    assert kubectl("run p --image=nginx") == "pod/p created\n"
    assert kubectl("delete pod p --wait=false").startswith('pod "p" deleted')


def test_node_ports_in_kubernetes_words(shop: Kubectl) -> None:
    port = shop("get svc web -o jsonpath={.spec.ports[0].nodePort}")
    assert shop.fails(f"create service nodeport taken --tcp=80 --node-port={port}") == (
        'error: failed to create NodePort service: Service "taken" is invalid: '
        f"spec.ports[0].nodePort: Invalid value: {port}: provided port is already allocated"
    )
    outside = SHOP.partition("---")[2].replace("name: web", "name: far").replace("8080}", "8080, nodePort: 80}")
    assert (
        'The Service "far" is invalid: spec.ports[0].nodePort: Invalid value: 80: '
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    ) in shop.fails("apply -f -", outside)


def test_delete_and_wait(shop: Kubectl) -> None:
    assert shop("wait svc/web --for=jsonpath={.spec.type}=NodePort --timeout=60s") == "service/web condition met\n"
    assert shop("delete svc web").startswith('service "web" deleted')
    shop("wait svc/web --for=delete --timeout=60s")
    assert shop.fails("delete svc web") == 'Error from server (NotFound): services "web" not found'
    assert shop("delete deploy --all").startswith('deployment.apps "web" deleted')


def test_get_watches(shop: Kubectl, http: Http) -> None:
    command = [shop.binary, "--namespace", shop.namespace, "get", "svc", "-w", "--output-watch-events"]
    environment = {"HOME": str(shop.home), "KUBECONFIG": str(shop.kubeconfig)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as watching:
        assert watching.stdout
        assert watching.stdout.readline().split()[:3] == ["EVENT", "NAME", "TYPE"]
        assert watching.stdout.readline().split()[:2] == ["ADDED", "web"]
        path = f"/api/v1/namespaces/{shop.namespace}/services/web"
        http.patch(path, {"spec": {"type": "ClusterIP"}})
        assert watching.stdout.readline().split()[:3] == ["MODIFIED", "web", "ClusterIP"]
        http.delete(path)
        assert watching.stdout.readline().split()[:2] == ["DELETED", "web"]
        watching.terminate()


def test_explain_and_discovery(kubectl: Kubectl) -> None:
    assert "nodePort" in kubectl("explain service.spec.ports")
    rows = [line.split() for line in kubectl("api-resources --no-headers").splitlines()]
    assert ["services", "svc", "v1", "true", "Service"] in rows
    assert "apps/v1\n" in kubectl("api-versions")
    assert "Server Version: v1." in kubectl("version")


def test_auth(kubectl: Kubectl) -> None:
    assert "kubernetes-admin" in kubectl("auth whoami")
    assert kubectl("auth can-i create pods") == "yes\n"


def test_diff(shop: Kubectl) -> None:
    assert shop("diff -f -", SHOP) == ""
    done = shop.run("diff", "-f", "-", stdin=SHOP.replace("port: 80,", "port: 81,"))
    assert done.returncode == 1
    assert "-    port: 80\n+    port: 81\n" in done.stdout


def test_a_mistyped_field_is_refused(kubectl: Kubectl) -> None:
    error = kubectl.fails("apply -f -", SHOP.replace("selector: {app: web}", "selektor: {app: web}"))
    assert 'unknown field "spec.selektor"' in error


def test_rollout_restart_marks_the_template(shop: Kubectl) -> None:
    assert shop("rollout restart deploy web") == "deployment.apps/web restarted\n"
    annotations = shop("get deploy web -o jsonpath={.spec.template.metadata.annotations}")
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    assert shop("set image deploy/web web=other") == "deployment.apps/web image updated\n"


def test_logs(kubectl: Kubectl, server: apiserver.Server) -> None:
    kubectl("run p --image=nginx")
    assert kubectl("logs p") == ""
    folder = server.config.pod_logs / kubectl("get pod p -o jsonpath={.metadata.uid}")
    folder.mkdir(parents=True)
    (folder / "p.log").write_text("one\ntwo\nthree\n")
    assert kubectl("logs p") == "one\ntwo\nthree\n"
    assert kubectl("logs p --tail=2") == "two\nthree\n"
    assert "container q is not valid for pod p" in kubectl.fails("logs p -c q")
    command = [kubectl.binary, "-n", kubectl.namespace, "logs", "-f", "--tail=1", "p"]
    environment = {"HOME": str(kubectl.home), "KUBECONFIG": str(kubectl.kubeconfig)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as following:
        assert following.stdout
        assert following.stdout.readline() == "three\n"
        with (folder / "p.log").open("a") as file:
            file.write("four\n")
        assert following.stdout.readline() == "four\n"
        kubectl("delete pod p --wait=false")
        assert following.stdout.readline() == "", "it ends with its pod"


def test_without_a_certificate_one_is_nobody(kubectl: Kubectl, server: apiserver.Server) -> None:
    anonymous = ["--server", server.url, "--insecure-skip-tls-verify", "--kubeconfig=/dev/null", "--token=unknown"]
    refused = kubectl.run(*anonymous, "get", "pods")
    assert "You must be logged in to the server" in refused.stderr
    assert kubectl.run(*anonymous, "get", "--raw", "/version").returncode == 0


def test_server_side_apply(kubectl: Kubectl) -> None:
    apply = "apply --server-side -f -"
    assert kubectl(apply, SHOP) == "deployment.apps/web serverside-applied\nservice/web serverside-applied\n"
    before = kubectl("get svc web -o jsonpath={.metadata.resourceVersion}")
    kubectl(apply, SHOP)
    assert kubectl("get svc web -o jsonpath={.metadata.resourceVersion}") == before
    assert "manager: kubectl" in kubectl("get svc web -o yaml --show-managed-fields")
    kubectl("scale deploy web --replicas=4")
    conflict = kubectl.fails(apply, SHOP)
    assert "Apply failed with 1 conflict" in conflict and ".spec.replicas" in conflict
    kubectl(f"{apply} --force-conflicts", SHOP)
    assert kubectl("get deploy web -o jsonpath={.spec.replicas}") == "2"
    kubectl(f"{apply} --dry-run=server", SHOP.replace("port: 80,", "port: 81,"))
    assert kubectl("get svc web -o jsonpath={.spec.ports[0].port}") == "80"


def test_server_side_apply_takes_over_what_was_applied_by_the_client(shop: Kubectl) -> None:
    shop("apply --server-side --force-conflicts -f -", SHOP.replace("targetPort: 8080", "targetPort: 9090"))
    assert shop("get svc web -o jsonpath={.spec.ports[*].targetPort}") == "9090"
    managers = shop("get svc web --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}")
    assert "kubectl" in managers.split()
    assert "kubectl-client-side-apply" not in managers.split(), "kubectl took its fields over"
