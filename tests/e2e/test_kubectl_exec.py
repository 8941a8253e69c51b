"""`kubectl exec`: commands in pods, with every kubectl there is that speaks WebSockets."""

import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Running, kubectls

POD = "runner"


@pytest.fixture(scope="module")
def pod(fleet: Running) -> Iterator[Running]:
    """A pod of two containers whose stand-in listens at port 8080."""
    manifest = f"""
apiVersion: v1
kind: Pod
metadata: {{name: {POD}}}
spec:
  containers:
  - {{name: main, image: example/web, ports: [{{containerPort: 8080}}], env: [{{name: COLOUR, value: blue}}]}}
  - {{name: other, image: example/side}}
"""
    fleet.kubectl("apply", "-f", "-", text=manifest)
    fleet.kubectl("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=90s")
    yield fleet
    fleet.kubectl("delete", "pod", POD, "--now")


def execute(
    pod: Running, *command: str, flags: tuple[str, ...] = (), text: str = "", binary: str = ""
) -> subprocess.CompletedProcess[str]:
    """`kubectl exec FLAGS runner -- COMMAND`."""
    return pod.kubectl("exec", *flags, POD, "--", *command, check=False, text=text, binary=binary)


@pytest.mark.parametrize("binary", kubectls())
def test_a_command_speaks_and_ends_as_it_does_here(pod: Running, binary: str) -> None:
    done = execute(pod, "sh", "-c", "echo said; echo complained >&2; echo $COLOUR; exit 3", binary=binary)
    assert done.stdout == "said\nblue\n"
    assert "complained\n" in done.stderr
    assert done.returncode == 3


@pytest.mark.parametrize("binary", kubectls())
def test_what_is_typed_arrives_and_ends(pod: Running, binary: str) -> None:
    text = "".join(f"line {number} of what is typed\n" for number in range(20000))
    assert execute(pod, "cat", flags=("-i",), text=text, binary=binary).stdout == text


def test_it_runs_in_the_pods_network(pod: Running) -> None:
    address = pod.json("get", "pod", POD)["status"]["podIP"]
    assert f" {address}/32 " in execute(pod, "ip", "-4", "addr", "show", "eth0", flags=("-c", "other")).stdout


@pytest.mark.parametrize(
    ("flags", "command", "words"),
    [
        (("-c", "third"), ("true",), f"container third is not valid for pod {POD}"),
        ((), ("no-such-program",), 'exec: "no-such-program": executable file not found in $PATH'),
    ],
)
def test_what_cannot_run_says_so(pod: Running, flags: tuple[str, ...], command: tuple[str, ...], words: str) -> None:
    done = execute(pod, *command, flags=flags)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


API = "https://kubernetes.default.svc"


def test_pods_reach_the_api_server_by_its_name(pod: Running) -> None:
    assert pod.json("get", "endpointslice", "kubernetes")["endpoints"][0]["addresses"] == ["172.18.0.1"]
    pki = pod.folder / "pki"
    trusting = ("curl", "-sS", "-m", "60", "--cacert", str(pki / "ca.crt"))
    admin = ("--cert", str(pki / "admin.crt"), "--key", str(pki / "admin.key"))
    assert json.loads(execute(pod, *trusting, f"{API}/version").stdout)["major"] == "1"
    assert json.loads(execute(pod, *trusting, f"{API}/api/v1/pods").stdout)["code"] == 401
    asked = json.loads(execute(pod, *trusting, *admin, f"{API}/api/v1/namespaces/default/pods/{POD}").stdout)
    assert asked["metadata"]["name"] == POD
    by_address = execute(pod, *trusting, "https://10.96.0.1/version")
    assert by_address.returncode == 0, by_address.stderr


@pytest.mark.parametrize(("port", "said"), [(8080, ""), (8081, "REFUSED\n")])
def test_kubernetes_own_probe_of_a_connection(pod: Running, port: int, said: str) -> None:
    done = execute(pod, "/agnhost", "connect", f"127.0.0.1:{port}", "--timeout=60s", "--protocol=tcp")
    assert said in done.stderr
    assert (done.returncode == 0) == (said == "")
