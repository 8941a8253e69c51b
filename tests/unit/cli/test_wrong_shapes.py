"""Documents of a wrong shape: each command says which and where, and goes on with the rest."""

from collections.abc import Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from portway.analysis import examples
from portway.cli.audit import command as audit
from portway.cli.diff import command as diff
from portway.cli.lint import command as lint
from portway.cli.trace import command as trace

GOOD = examples.together(
    examples.service("{name: http, port: 80, targetPort: 8080, nodePort: 30080}", more="type: NodePort"),
    examples.workload(),
)
_CORE, _NET = "apiVersion: v1", "apiVersion: networking.k8s.io/v1"
_GATEWAY, _SLICE = "apiVersion: gateway.networking.k8s.io/v1", "apiVersion: discovery.k8s.io/v1"
WRONG = {
    "3:21: Pod default/a: metadata.labels: this is a list, not an object": f"""\
{_CORE}
kind: Pod
metadata: {{name: a, labels: [x]}}
""",
    "4:8: Pod default/a: spec.containers: this is an object, not a list": f"""\
{_CORE}
kind: Pod
metadata: {{name: a}}
spec: {{containers: {{name: x}}}}
""",
    "4:8: Service default/a: spec.ports: this is a number, not an object": f"""\
{_CORE}
kind: Service
metadata: {{name: a}}
spec: {{ports: [5]}}
""",
    "4:8: Service default/a: spec.ports.port: 99999999999 is no int32": f"""\
{_CORE}
kind: Service
metadata: {{name: a}}
spec: {{ports: [{{port: 99999999999}}]}}
""",
    "4:8: Deployment default/a: spec.replicas: this is text, not a number": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec: {replicas: many, template: nope}
""",
    "4:22: NetworkPolicy default/a: spec.podSelector.matchLabels: this is a list, not an object": f"""\
{_NET}
kind: NetworkPolicy
metadata: {{name: a}}
spec: {{podSelector: {{matchLabels: [a]}}}}
""",
    "4:8: Ingress default/a: spec.tls: this is text, not a list": f"""\
{_NET}
kind: Ingress
metadata: {{name: a}}
spec: {{tls: all}}
""",
    "4:8: HTTPRoute default/a: spec.parentRefs: this is a number, not a list": f"""\
{_GATEWAY}
kind: HTTPRoute
metadata: {{name: a}}
spec: {{parentRefs: 3}}
""",
    "3:21: EndpointSlice default/a: metadata.labels: this is a list, not text in quotes": f"""\
{_SLICE}
kind: EndpointSlice
metadata: {{name: a, labels: {{kubernetes.io/service-name: [1]}}}}
addressType: IPv4
""",
}
COMMANDS: dict[str, tuple[click.Command, Sequence[str]]] = {
    "trace": (trace, ("-f", "{}", "node-1:30080")),
    "trace url": (trace, ("-f", "{}", "http://shop.example/")),
    "audit": (audit, ("-f", "{}")),
    "diff": (diff, ("{}", "good.yaml")),
    "diff other way": (diff, ("good.yaml", "{}")),
}


def _run(name: str) -> Result:
    command, arguments = COMMANDS[name]
    return CliRunner().invoke(command, [argument.format("all.yaml") for argument in arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("said", WRONG, ids=lambda said: said.split(": ")[1])
def test_what_has_a_wrong_shape_is_named_and_left_out(here: Path, said: str, name: str) -> None:
    (here / "all.yaml").write_text(GOOD)
    whole = _run(name)
    (here / "all.yaml").write_text(f"{WRONG[said]}---\n{GOOD}")
    found = _run(name)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    assert f"portway: all.yaml:{said}: left out" in found.stderr
    assert found.stdout == whole.stdout, "the rest is as without it"


NULLS = f"""\
{_CORE}
kind: Pod
metadata: {{name: a, labels: {{app: a}}}}
spec: {{initContainers: [null], containers: [null, {{name: x, ports: [null, {{name: http, containerPort: 8080}}]}}]}}
---
{_CORE}
kind: Service
metadata: {{name: a}}
spec: {{type: NodePort, selector: {{app: a}}, ports: [{{port: 80, targetPort: http, nodePort: 30081}}, null]}}
---
{_NET}
kind: NetworkPolicy
metadata: {{name: a}}
spec: {{podSelector: {{}}, ingress: [null, {{from: [null], ports: [null]}}], egress: [null]}}
---
{_NET}
kind: Ingress
metadata: {{name: a}}
spec: {{rules: [null, {{http: {{paths: [null]}}}}], tls: [null]}}
---
{_GATEWAY}
kind: Gateway
metadata: {{name: a}}
spec: {{gatewayClassName: x, listeners: [null]}}
---
{_GATEWAY}
kind: HTTPRoute
metadata: {{name: a}}
spec: {{parentRefs: [null], rules: [null, {{matches: [null], backendRefs: [null], filters: [null]}}]}}
---
{_SLICE}
kind: EndpointSlice
metadata: {{name: a}}
addressType: IPv4
endpoints: [null]
ports: [null]
---
{_CORE}
kind: Node
metadata: {{name: node-9}}
status: {{addresses: [null]}}
spec: {{taints: [null]}}
"""


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("document", NULLS.split("---\n"), ids=lambda text: text.split("kind: ")[1].split("\n")[0])
def test_nulls_are_what_an_api_server_makes_of_them(here: Path, document: str, name: str) -> None:
    (here / "all.yaml").write_text(f"{document}---\n{GOOD}")
    found = _run(name)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    for line in found.stderr.splitlines():
        assert "left out" not in line or "the API server would refuse it" in line, "nothing is wrong with its shape"


@pytest.mark.parametrize("said", WRONG, ids=lambda said: said.split(": ")[1])
def test_lint_has_it_as_a_finding(here: Path, said: str) -> None:
    (here / "all.yaml").write_text(WRONG[said])
    found = CliRunner().invoke(lint, ["-f", "all.yaml"])
    assert isinstance(found.exception, SystemExit) and found.exit_code == 1
    assert "PW-A01" in found.stdout and "cannot unmarshal" in " ".join(found.stdout.split())
    assert f"all.yaml:{said.partition(':')[0]}:" in found.stdout, "at the field's line"
