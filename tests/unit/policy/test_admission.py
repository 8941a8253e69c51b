"""Many clients at once get what each would get alone: Admission against judge on drawn worlds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from portway.model import Connection, LabelSelector, NetworkPolicy, Pod, PolicySnapshot, Requirement, family_of
from portway.policy import judge
from portway.policy.admission import Admission
from portway.policy.deciders import Deciders
from tests.unit.policy import worlds


@settings(max_examples=150, deadline=None)
@given(worlds.wholes(), st.sampled_from(worlds.CONNECTED))
def test_each_client_gets_what_judge_says(world: PolicySnapshot, asked: tuple[str, int]) -> None:
    clients = list(world.pods.values())
    admission = Admission(world, clients, Deciders(world.policies.values()))
    for server in clients:
        found = admission.allowed(server, *asked)
        for number, client in enumerate(clients):
            said = judge(world, Connection(client.addresses[0], server.addresses[0], *asked))
            assert bool(found >> number & 1) == said.allowed, (client.name, server.name, said)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.sampled_from(worlds.PODS).flatmap(worlds.policies), max_size=3), st.booleans())
def test_servers_on_the_hosts_network_and_both_families(
    data: st.DataObject, policies: list[NetworkPolicy | None], on_host: bool
) -> None:
    """A server with a node's address is that node; a client without an address of the server's family has no way."""
    drawn = [data.draw(worlds.pods(key)) for key in worlds.PODS]
    pods = {address: pod for pod in drawn if pod for address in pod.addresses}
    clients = [pod for pod in drawn if pod and pod.has_policies and all(pods[a] is pod for a in pod.addresses)]
    held = {(policy.namespace, policy.name): policy for policy in policies if policy}
    world = PolicySnapshot({(p.namespace, p.name): p for p in clients}, {}, held, {}, worlds.NODES)
    admission = Admission(world, clients, Deciders(held.values()))
    for server in clients:
        if on_host:
            server = type(server)("x", "host", ("172.18.0.12",), "node-2", server.labels, host_network=True)
        found = admission.allowed(server, "TCP", 80)
        for number, client in enumerate(clients):
            source = {family_of(address): address for address in reversed(client.addresses)}
            mine = source.get(family_of(server.addresses[0]), "")
            said = bool(mine) and judge(world, Connection(mine, server.addresses[0], "TCP", 80)).allowed
            assert bool(found >> number & 1) == said


def test_many_policies_are_found_by_label() -> None:
    """A pod is asked of by those that may select it, whatever the others ask for."""
    selecting = [NetworkPolicy("x", f"p{n}", LabelSelector((Requirement("app", "=", (f"a{n}",)),))) for n in range(50)]
    everybody = NetworkPolicy("x", "all")
    pod = Pod("x", "a", ("10.0.0.1",), labels={"app": "a7", "tier": "b"})
    found = Deciders([*selecting, everybody]).of(pod)
    assert {policy.name for policy in found} == {"p7", "all"}
