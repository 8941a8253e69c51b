"""The acceptance table: what people type at a cluster, typed at a fleet, with every kubectl there is."""

import stat
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import Running, converse, kubectls

NAMESPACE = "accept"

#: (arguments, what stdout must match), in the order a person would go.
CONVERSATION: list[tuple[str, str]] = [
    ("create namespace accept", r"namespace/accept created"),
    ("get configmap kube-root-ca.crt -o yaml", r"(?s)ca.crt: \|\n\s+-----BEGIN CERTIFICATE-----"),
    ("create deployment hello --image=example/hello --port=8080 --replicas=2", r"deployment.apps/hello created"),
    ("rollout status deployment/hello --timeout=60s", r"successfully rolled out"),
    ("get deployments", r"NAME\s+READY\s+UP-TO-DATE\s+AVAILABLE\s+AGE\nhello\s+2/2\s+2\s+2\s+\d\S*"),
    ("get pods -o wide", r"READY\s+STATUS\s+RESTARTS\s+AGE\s+IP\s+NODE.*\nhello-\S+\s+1/1\s+Running\s+0\s+\S+\s+10\.244"),
    ("get pods -o name", r"^pod/hello-\S+\npod/hello-\S+\n$"),
    ("get deployment hello -o jsonpath={.status.readyReplicas}", r"^2$"),
    ("get rs", r"hello-\S+\s+2\s+2\s+2"),
    ("expose deployment hello --type=NodePort --port=80 --target-port=8080", r"service/hello exposed"),
    ("get service hello", r"hello\s+NodePort\s+10\.96\.\S+\s+<none>\s+80:3\d{4}/TCP"),
    ("get service hello -o yaml", r"(?s)kind: Service.*externalTrafficPolicy: Cluster"),
    ("get service hello -o json", r'(?s)"kind": "Service".*"type": "NodePort"'),
    ("get endpointslices", r"hello-\S+\s+IPv4\s+8080\s+10\.244\.\S+,10\.244\.\S+"),
    ("describe service hello", r"(?s)Type:\s+NodePort.*NodePort:\s+<unset>\s+3\d{4}/TCP.*Endpoints:\s+10\.244\.\S+:8080"),
    ("describe deployment hello", r"(?s)Replicas:\s+2 desired \| 2 updated \| 2 total \| 2 available.*ScalingReplicaSet"),
    ("describe pods -l app=hello", r"(?s)Status:\s+Running.*Ready\s+True"),
    ("describe node node-1", r"(?s)Name:\s+node-1.*topology.kubernetes.io/zone=zone-1.*Ready\s+True"),
    ("scale deployment hello --replicas=3", r"deployment.apps/hello scaled"),
    ("wait --for=jsonpath={.status.readyReplicas}=3 deployment/hello --timeout=60s", r"condition met"),
    ("wait --for=condition=Available deployment/hello --timeout=60s", r"condition met"),
    ("set image deployment/hello hello=example/hello:2", r"image updated"),
    ("rollout status deployment/hello --timeout=60s", r"successfully rolled out"),
    ("rollout history deployment/hello", r"REVISION\s+CHANGE-CAUSE\n1\s+<none>\n2\s+<none>"),
    ("rollout undo deployment/hello", r"rolled back"),
    ("rollout status deployment/hello --timeout=60s", r"successfully rolled out"),
    ("get deployment hello -o jsonpath={.spec.template.spec.containers[0].image}", r"^example/hello$"),
    ("rollout restart deployment/hello", r"restarted"),
    ("rollout status deployment/hello --timeout=60s", r"successfully rolled out"),
    ("label deployment hello tier=front", r"labeled"),
    ("get deployments -l tier=front -o name", r"^deployment.apps/hello$"),
    ("annotate service hello note=yes", r"annotated"),
    ("patch service hello -p {\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\"}]}}", r"patched"),
    ("patch service hello --type=merge -p {\"metadata\":{\"labels\":{\"a\":\"b\"}}}", r"patched"),
    ("patch service hello --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/labels/a\"}]", r"patched"),
    ("get all", r"(?s)pod/hello.*service/hello.*deployment.apps/hello.*replicaset.apps/hello"),
    ("get events", r"(?s)Scheduled.*ScalingReplicaSet|ScalingReplicaSet.*Scheduled"),
    ("explain service.spec.ports.nodePort", r"(?s)FIELD: nodePort <integer>.*DESCRIPTION"),
    ("explain deployment.spec.strategy", r"(?s)rollingUpdate"),
    ("api-resources", r"(?s)services\s+svc\s+v1\s+true\s+Service.*deployments\s+deploy\s+apps/v1"),
    ("auth whoami", r"(?s)Username\s+kubernetes-admin.*system:masters"),
    ("auth can-i create services", r"^yes$"),
    ("get nodes", r"node-1\s+Ready"),
    ("version", r"Server Version: v1\.36"),
    ("delete service hello", r"service \"hello\" deleted"),
    ("delete deployment hello --wait=true", r"deleted"),
    ("wait --for=delete pod -l app=hello --timeout=60s", r""),
    ("get pods", r"^$"),
    ("delete namespace accept --timeout=60s", r"deleted"),
]  # fmt: skip


@pytest.mark.parametrize("binary", kubectls(), ids=lambda path: "wheel" if ".venv" in path else "machine")
def test_a_conversation(fleet: Running, binary: str) -> None:
    assert len(CONVERSATION) > 40
    for line, expected in CONVERSATION:
        arguments = line.split(" ") if "-p {" in line or "-p [" in line else line.split()
        scope = [] if "namespace accept" in line else ["-n", NAMESPACE]
        converse(fleet, [*scope, *arguments], expected, binary)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("create service nodeport a --tcp=80:80 --node-port=32100",
         'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 32100: provided port is already allocated'),
        ("create service nodeport a --tcp=80:80 --node-port=80",
         "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
         "The range of valid ports is 30000-32767"),
        ("get pod nothing", 'Error from server (NotFound): pods "nothing" not found'),
        ("create namespace shop", 'Error from server (AlreadyExists): namespaces "shop" already exists'),
        ("-n nowhere create configmap a", 'namespaces "nowhere" not found'),
        ("get flowers", 'the server doesn\'t have a resource type "flowers"'),
    ],
)  # fmt: skip
def test_refusals_in_kubernetes_words(fleet: Running, arguments: str, says: str) -> None:
    done = fleet.kubectl(*arguments.split(), check=False)
    assert done.returncode == 1
    assert says in done.stderr


def test_edit_through_an_editor(fleet: Running, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/replicas: 3/replicas: 2/" "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    edited = fleet.kubectl("-n", "shop", "edit", "deployment", "web", KUBE_EDITOR=str(editor))
    assert "deployment.apps/web edited" in edited.stdout
    assert fleet.json("-n", "shop", "get", "deployment", "web")["spec"]["replicas"] == 2
    fleet.kubectl("-n", "shop", "scale", "deployment", "web", "--replicas=3")
    fleet.kubectl("-n", "shop", "rollout", "status", "deployment/web", "--timeout=120s")


def test_get_watch_follows_a_pod_to_its_end(fleet: Running) -> None:
    argv = [
        kubectls()[0],
        "--kubeconfig",
        str(fleet.folder / "kubeconfig"),
        "-n",
        "default",
        "get",
        "pods",
        "-w",
        "--no-headers",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        fleet.kubectl("-n", "default", "run", "seen", "--image=example/seen", "--port=80")
        lines = [watching.stdout.readline()]
        while lines[-1] and "Running" not in lines[-1]:
            lines.append(watching.stdout.readline())
        fleet.kubectl("-n", "default", "delete", "pod", "seen", "--grace-period=1")
        while lines[-1] and "Terminating" not in lines[-1]:
            lines.append(watching.stdout.readline())
        watching.terminate()
    assert all(line.startswith("seen") for line in lines), lines
