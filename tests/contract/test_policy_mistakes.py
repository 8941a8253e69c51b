"""A mistake of ours in policies: Services go on, rules stay, new pods stay closed, and the next change mends it."""

import pytest

from portway.agent.config import AgentConfig
from portway.agent.sync import Syncer
from portway.agent.table import KernelTable
from portway.model import Node, Pod
from portway.policy import PolicyChange, PolicyInputs
from portway.testing.netns import Unavailable, World
from tests.contract.guarded import held
from tests.contract.services import service, slices
from tests.contract.state import held as services_held

CONFIG = AgentConfig("node-1", network_policy=True)
POD, NEXT, LAST = (Pod("shop", f"p{n}", (f"10.244.1.{n}",), "node-1") for n in (1, 2, 3))


class Mistaken(Exception):
    """What no code expects."""


def _wrong(_inputs: PolicyInputs) -> PolicyChange:
    raise Mistaken


def _put(syncer: Syncer, pod: Pod) -> tuple[int, int]:
    """A pod and a Service come; how many pods and Services' frontends the kernel knows then."""
    assert syncer.policies
    syncer.policies.put_pod((pod.namespace, pod.name), pod)
    number = int(pod.name[1:])
    made = service(f"s{number}", number)
    syncer.put_service((made.namespace, made.name), made)
    for piece in slices(made.name, "a"):
        syncer.put_slice((piece.namespace, piece.name), piece)
    syncer.sync()
    return len(held(("pods4",))["pods4"]), len(services_held().elements["frontends4"])


def _story() -> list[tuple[int, int]]:
    syncer = Syncer(CONFIG, KernelTable())
    node = Node("node-1", ("172.18.0.11",), ("10.244.1.0/24",))
    syncer.put_node(node)
    assert syncer.policies
    syncer.policies.put_node("node-1", node, {})
    syncer.policies.all_known()
    seen = [_put(syncer, POD)]
    right = PolicyInputs.take
    type.__setattr__(PolicyInputs, "take", _wrong)
    seen.append(_put(syncer, NEXT))
    type.__setattr__(PolicyInputs, "take", right)
    seen.append(_put(syncer, LAST))
    return seen


def test_a_mistake_in_policies_holds_up_no_service_and_opens_no_pod() -> None:
    try:
        with World() as world:
            seen = world.namespace("node").run(_story)
    except Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    pods, frontends = zip(*seen, strict=True)
    assert pods == (1, 1, 3)
    assert frontends[0] < frontends[1] < frontends[2]
