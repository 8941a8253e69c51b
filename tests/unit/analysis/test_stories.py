"""Five mistakes that cost people days, told by lint with both ends and the fix; mended, nothing is said of them."""

import pytest

from portway.analysis import examples
from portway.analysis.check import Settings
from portway.analysis.checks import built_in
from portway.analysis.finding import Finding
from portway.analysis.lint import lint
from portway.testing.checks import bundle_of

WEBHOOK = (
    "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: apisix}\n"
    "webhooks:\n- name: a.example.com\n  failurePolicy: Ignore\n  sideEffects: None\n  admissionReviewVersions: [v1]\n"
    "  clientConfig: {service: {namespace: default, name: webhook, port: 443}}\n"
)


def _isolation(port: int) -> str:
    """S1: the policy opens the Service's port, the pods listen on another."""
    return examples.together(
        examples.service(
            "{name: https, port: 443, targetPort: webhook-server}", name="webhook", selector="app: manager"
        ),
        examples.workload("{name: webhook-server, containerPort: 9443}", name="manager"),
        examples.policy(f"podSelector: {{matchLabels: {{app: manager}}}}\ningress:\n- ports:\n  - port: {port}"),
        WEBHOOK,
    )


def _shared_label(selector: str) -> str:
    """S2: two Deployments under one label, of which one serves."""
    return examples.together(
        examples.service("{name: https, port: 443, targetPort: 8443}", name="webhook", selector=selector),
        examples.workload("{containerPort: 8443}", name="proxy", labels="name: tekton, part: proxy"),
        examples.workload("{containerPort: 9090}", name="operator", labels="name: tekton, part: operator"),
    )


def _eaten(tcp: int) -> str:
    """S3: client-side apply merges ports by number."""
    return examples.together(
        examples.service(
            f"{{name: dns, port: 5333, targetPort: 53, protocol: UDP}}\n{{name: dns-tcp, port: {tcp}, targetPort: 53}}"
        ),
        examples.workload("{containerPort: 53}, {containerPort: 53, protocol: UDP}"),
    )


def _local(kind: str) -> str:
    """S4: answers on one node of three."""
    more = "type: NodePort\nexternalTrafficPolicy: Local"
    return examples.together(
        examples.service("{name: http, port: 80, targetPort: 8080, nodePort: 30004}", more=more),
        examples.workload(kind=kind),
    )


def _nameless(port: str) -> str:
    """S5: a named targetPort that no pod defines."""
    return examples.together(
        examples.service("{name: https, port: 443, targetPort: https}"),
        examples.workload(port),
    )


STORIES = {
    "S1": (
        "PW-P01",
        "error",
        _isolation(443),
        _isolation(9443),
        ("- port: 443", "targetPort: webhook-server"),
        "port: 9443",
    ),
    "S2": (
        "PW-W08",
        "error",
        _shared_label("name: tekton"),
        _shared_label("name: tekton, part: proxy"),
        ("selector: {name: tekton}", "labels: {name: tekton, part: operator}"),
        "add a label",
    ),
    "S3": (
        "PW-D01",
        "info",
        _eaten(5333),
        _eaten(5334),
        ("name: dns-tcp, port: 5333", "name: dns, port: 5333"),
        "--server-side",
    ),
    "S4": (
        "PW-N10",
        "warning",
        _local("Deployment"),
        _local("DaemonSet"),
        ("externalTrafficPolicy: Local",),
        "DaemonSet",
    ),
    "S5": (
        "PW-W01",
        "error",
        _nameless("{containerPort: 443}"),
        _nameless("{name: https, containerPort: 443}"),
        ("targetPort: https", "containerPort: 443"),
        "name",
    ),
}


def _found(text: str) -> list[Finding]:
    return list(lint(bundle_of(text), [one for one in built_in() if not one.style], Settings(nodes=3)).findings)


@pytest.mark.parametrize("story", STORIES)
def test_the_mistake_is_found_with_both_ends_and_the_fix(story: str) -> None:
    code, severity, text, _, ends, fix = STORIES[story]
    (found,) = [one for one in _found(text) if one.code == code]
    assert found.severity == severity and found.fix and fix in found.fix.text
    lines = text.splitlines()
    told = [lines[place.line - 1] for place in (found.where, *found.others)]
    assert [end for end in ends if not any(end in line for line in told)] == []


@pytest.mark.parametrize("story", STORIES)
def test_nothing_else_is_found(story: str) -> None:
    code, _, text, mended, _, _ = STORIES[story]
    assert {one.code for one in _found(text)} == {code}
    assert _found(mended) == []
