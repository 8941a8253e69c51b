"""One pod on every node that may have it."""

from typing import Any

from portway.reconcile import daemonsets, scheduler
from portway.reconcile.change import Change
from portway.reconcile.objects import name_of
from portway.reconcile.resources import CONTROLLER_REVISIONS
from tests.unit.reconcile.simulation import Simulation

Doc = dict[str, Any]


def node(number: int, **spec: Any) -> Doc:
    return {"metadata": {"name": f"node-{number}", "labels": {"disk": "ssd" if number % 2 else "hdd"}}, "spec": spec}


def owner(image: str = "one", rolling: Doc | None = None, **pod: Any) -> Doc:
    spec = {"containers": [{"name": "a", "image": image}], **pod}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling or {"maxUnavailable": 1}}
    return {
        "metadata": {"namespace": "shop", "name": "agent", "uid": "owner", "generation": 1},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": spec},
            "updateStrategy": strategy,
        },
    }


class Daemons(Simulation):
    def __init__(self, document: Doc, nodes: list[Doc]) -> None:
        super().__init__(document, self._step_)
        self.nodes = nodes

    def _step_(self, _: Simulation) -> list[Change]:
        revisions = list(self.stored[CONTROLLER_REVISIONS].values())
        return daemonsets.reconcile(self.owner, list(self.pods.values()), self.nodes, revisions, self.now, self.suffix)

    def where(self) -> list[str]:
        return sorted(daemonsets.node_of(pod) for pod in self.pods.values())


def running(document: Doc, *nodes: Doc) -> Daemons:
    made = Daemons(document, list(nodes))
    made.settle()
    return made


def test_a_pod_on_each_and_the_scheduler_has_no_choice() -> None:
    this = running(owner(), node(1), node(2, unschedulable=True))
    assert this.where() == ["node-1", "node-2"]
    for pod in this.pods.values():
        fitting = [name_of(each) for each in this.nodes if not scheduler.refusal(pod, each, scheduler.Load())]
        assert fitting == [daemonsets.node_of(pod)]
    status = this.owner["status"]
    assert (status["desiredNumberScheduled"], status["numberReady"], status["numberAvailable"]) == (2, 2, 2)


def test_nodes_that_may_not_have_it() -> None:
    tainted = node(3, taints=[{"key": "only", "value": "me", "effect": "NoSchedule"}])
    this = running(owner(nodeSelector={"disk": "ssd"}), node(1), node(2), tainted)
    assert this.where() == ["node-1"] and this.owner["status"]["desiredNumberScheduled"] == 1
    tolerant = owner(nodeSelector={"disk": "ssd"}, tolerations=[{"key": "only", "operator": "Exists"}])
    assert running(tolerant, node(1), node(2), tainted).where() == ["node-1", "node-3"]


def test_nodes_come_and_go() -> None:
    this = running(owner(), node(1))
    this.nodes.append(node(2))
    this.settle()
    assert this.where() == ["node-1", "node-2"]
    this.nodes[0]["spec"]["taints"] = [{"key": "x", "effect": "NoExecute"}]
    this.settle()
    assert this.where() == ["node-2"]


def test_an_update_misses_no_more_than_it_may() -> None:
    for allowed, most in (({"maxUnavailable": 1}, 1), ({"maxUnavailable": "50%"}, 2), ({"maxSurge": 1}, 1)):
        this = running(owner(rolling=allowed), *map(node, range(4)))
        this.owner["spec"] = owner("two", allowed)["spec"]
        missing = []
        for _ in range(30):
            this.act()
            missing.append(4 - sum(bool(pod.get("status")) for pod in this.pods.values()))
            for name, pod in this.pods.items():
                if not pod.get("status"):
                    this.becomes(name)
                    break
        assert max(missing) == most
        assert {pod["spec"]["containers"][0]["image"] for pod in this.pods.values()} == {"two"}
        assert this.owner["status"]["updatedNumberScheduled"] == 4


def test_one_that_has_failed_is_made_again() -> None:
    this = running(owner(), node(1))
    [name] = this.pods
    this.becomes(name, "Failed")
    this.settle()
    assert len(this.pods) == 1 and name not in this.pods
    assert "FailedDaemonPod" in [one.reason for one in this.news]


def test_twice_on_a_node_is_once_too_often() -> None:
    this = running(owner(), node(1))
    [first] = this.pods
    other = this.pods[first] | {"metadata": this.pods[first]["metadata"] | {"name": "agent-twin", "uid": "twin"}}
    other["metadata"]["creationTimestamp"] = "2030-01-01T00:00:00Z"
    this.pods["agent-twin"] = other
    this.settle()
    assert list(this.pods) == [first]
