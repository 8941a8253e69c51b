"""What audit says of clients inside is what judge says of each class's pod, whatever was asked before."""

from hypothesis import given, settings

from portway.analysis.insiders import Insiders
from portway.model import Connection, NetworkPolicy, Pod, PolicySnapshot
from portway.policy import Deciders, judge
from tests.unit.policy import worlds

BEHIND = (80, 8080)


def _told(found: Insiders, server: Pod, clients: list[Pod], port: int) -> dict[str, bool]:
    """Each client's fate, by its name: alone, or by its namespace."""
    who = found.of(server, port, "TCP")
    whole = {f"{pod.namespace}/{pod.name}": pod.namespace in who.namespaces for pod in clients}
    return whole | dict.fromkeys(who.partly, True) | dict.fromkeys(who.but, False)


@settings(max_examples=40, deadline=None)
@given(worlds.wholes())
def test_each_class_is_told_what_judge_says(world: PolicySnapshot) -> None:
    """Pods of one class are asked about as replicas: the first of them as the client of the second."""
    found = Insiders(world, Deciders(world.policies.values()))
    kinds: dict[object, list[Pod]] = {}
    for pod in world.pods.values():
        kinds.setdefault((pod.namespace, frozenset(pod.labels.items()), pod.ports), []).append(pod)
    clients = [pods[0] for pods in kinds.values()]
    for pods in kinds.values():
        for port in BEHIND:
            said = _told(found, pods[0], clients, port)
            for client in clients:
                connection = Connection(client.addresses[0], pods[:2][-1].addresses[0], "TCP", port)
                assert said[f"{client.namespace}/{client.name}"] == judge(world, connection).allowed


def test_replicas_are_told_from_the_pod_itself() -> None:
    """A closed pod may reach itself, and its replicas may not."""
    policy = NetworkPolicy("x", "closed")
    pods = [Pod("x", f"web-{n}", (f"10.0.0.{n}",), labels={"app": "web"}) for n in (1, 2)]
    for held, allowed in ((pods[:1], 1), (pods, 0)):
        world = PolicySnapshot({(pod.namespace, pod.name): pod for pod in held}, policies={("x", "closed"): policy})
        assert Insiders(world, Deciders([policy])).of(pods[0], 80, "TCP").allowed == allowed
