"""What probes are told, over time."""

import json
from typing import Any

import pytest

from portway.agent.health import LATE_SECONDS, Answer, ProxyHealth, health_check
from portway.forwarding import HealthCheck
from portway.kubeapi.announcing import node_eligible

BEGIN = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
NEVER = "0001-01-01T00:00:00Z"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


STORIES: dict[str, tuple[str, int]] = {
    # what happens, with seconds in between → the status at the end
    "not begun, nothing known yet": ("", 200),
    "not begun, and a change waits": ("queued 3600", 200),
    "begun, and the first sync stays late": ("updated 3600", 200),
    "a change waits, not for long": ("updated queued 59.9", 200),
    "a change waits too long": ("updated queued 60", 503),
    "it waits for the first sync": ("updated 3600 queued 60", 503),
    "a change was done": ("updated queued 59 updated 3600", 200),
    "done too late is done": ("updated queued 100 updated", 200),
    "later changes do not excuse the oldest": ("updated queued 30 queued 30", 503),
    "the next change has its own time": ("updated queued 50 updated queued 50", 200),
    "and is late by its own time": ("updated queued 50 updated queued 60", 503),
}


def _told(story: str, eligible: bool = True) -> ProxyHealth:
    clock = Clock()
    health = ProxyHealth(clock)
    health.node_eligible = eligible
    for word in story.split():
        if word in ("queued", "updated"):
            getattr(health, word)()
        else:
            clock.now += float(word)
    return health


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("eligible", [True, False])
def test_stories(story: str, eligible: bool) -> None:
    events, status = STORIES[story]
    health = _told(events, eligible)
    assert health.livez().status == status
    assert health.healthz().status == (status if eligible else 503)
    assert health.healthy == (status == 200)


def _body(answer: Answer) -> Any:
    assert answer.content_type == "application/json"
    assert ("X-Content-Type-Options", "nosniff") in answer.headers
    return json.loads(answer.body)


def _status(last_updated: str, healthy: bool) -> dict[str, Any]:
    return {family: {"lastUpdated": last_updated, "healthy": healthy} for family in ("IPv4", "IPv6")}


def test_who_is_healthy_is_up_to_date_now() -> None:
    was, now = "2023-11-14T22:13:20Z", "2023-11-14T22:13:25.5Z"
    health = _told("updated 5.5")
    body = {"lastUpdated": now, "currentTime": now, "healthy": True, "status": _status(was, True)}
    assert _body(health.livez()) == body
    assert _body(health.healthz()) == body | {"nodeEligible": True}


def test_who_is_not_says_when_it_last_was() -> None:
    was, now = "2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z"
    body = {"lastUpdated": was, "currentTime": now, "nodeEligible": False, "healthy": False}
    late = _told(f"updated queued {LATE_SECONDS}", eligible=False)
    assert _body(late.healthz()) == body | {"status": _status(was, False)}


def test_who_has_not_begun_names_no_family() -> None:
    now = "2023-11-14T22:13:20Z"
    assert _body(_told("queued").livez()) == {"lastUpdated": now, "currentTime": now, "healthy": True}
    assert _body(_told("", eligible=False).healthz())["lastUpdated"] == NEVER


def test_a_node_that_leaves_does_not_make_the_proxy_unhealthy() -> None:
    body = _body(_told("updated 5", eligible=False).healthz())
    assert (body["healthy"], body["nodeEligible"], body["lastUpdated"]) == (True, False, "2023-11-14T22:13:20Z")


@pytest.mark.parametrize(
    ("check", "healthy", "status", "count"),
    [
        (HealthCheck(31000, ipv4=2), True, 200, 2),
        (HealthCheck(31000, ipv4=1, ipv6=3), True, 200, 3),
        (HealthCheck(31000), True, 503, 0),
        (HealthCheck(31000, ipv4=2), False, 503, 2),
        (None, True, 503, 0),
    ],
)
def test_a_services_probe(check: HealthCheck | None, healthy: bool, status: int, count: int) -> None:
    answer = health_check(("shop", "web"), check, healthy)
    assert answer.status == status
    assert ("X-Load-Balancing-Endpoint-Weight", str(count)) in answer.headers
    service = {"namespace": "shop", "name": "web"}
    assert _body(answer) == {"service": service, "localEndpoints": count, "serviceProxyHealthy": healthy}


def test_a_services_probe_is_indented_with_tabs() -> None:
    assert health_check(("shop", "web"), None, False).body == (
        '{\n\t"service": {\n\t\t"namespace": "shop",\n\t\t"name": "web"\n\t},\n'
        '\t"localEndpoints": 0,\n\t"serviceProxyHealthy": false\n}'
    )


@pytest.mark.parametrize(
    ("node", "eligible"),
    [
        ({}, True),
        ({"metadata": {"name": "node-1"}, "spec": {"taints": None}}, True),
        ({"spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}}, True),
        ({"spec": {"taints": [{"key": "a"}, {"key": "ToBeDeletedByClusterAutoscaler"}]}}, False),
        ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, False),
    ],
)
def test_which_nodes_get_traffic(node: dict[str, Any], eligible: bool) -> None:
    assert node_eligible(node) is eligible


def test_a_node_that_makes_no_sense_is_bad_input() -> None:
    with pytest.raises(ValueError, match="taints"):
        node_eligible({"spec": {"taints": "all"}})
