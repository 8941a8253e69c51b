"""The scheduler's desk: its count of what nodes carry is right at every moment of any history."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from portway.client import Api, Key
from portway.controllers.cache import Cache
from portway.controllers.scheduling import Desk
from portway.reconcile.change import Bind
from portway.reconcile.objects import spec_of, status_of
from portway.reconcile.resources import NODES, PODS

Doc = dict[str, Any]


def pod(name: str, uid: str, node: str = "", phase: str = "") -> Doc:
    metadata = {"namespace": "n", "name": name, "uid": uid, "ownerReferences": [{"uid": "rs", "controller": True}]}
    return {"metadata": metadata, "spec": {"nodeName": node} if node else {}, "status": {"phase": phase}}


STEP = st.tuples(st.sampled_from(["create", "seen", "end", "delete", "fail"]), st.sampled_from("abcdef"))


@settings(max_examples=300)
@given(st.lists(STEP, max_size=40))
def test_the_load_is_what_is_placed(steps: list[tuple[str, str]]) -> None:
    api = Api.unix("/nowhere")
    pods, nodes = Cache(api, PODS), Cache(api, NODES)
    for name in ("node-1", "node-2", "node-3"):
        nodes._changed(("", name), None, {"metadata": {"name": name}})
    desk = Desk(pods, nodes)
    pods.listeners.append(desk.follow)
    bound: dict[Key, str] = {}
    for number, (verb, name) in enumerate(steps):
        key, current = ("n", name), pods.get(("n", name))
        if verb == "create" and current is None:
            pods._changed(key, None, pod(name, f"{name}{number}"))
        elif current is not None and verb == "seen" and key in bound:
            pods._changed(key, None, pod(name, current["metadata"]["uid"], bound[key]))
        elif current is not None and verb == "end" and key in bound:
            pods._changed(key, None, pod(name, current["metadata"]["uid"], bound[key], "Succeeded"))
        elif verb == "delete":
            pods._changed(key, None, None)
            bound.pop(key, None)
        elif current is not None and verb == "fail" and key in bound and not spec_of(current).get("nodeName"):
            desk.retract(current)
            del bound[key]
        for decided, changes in desk.decide(0.0):
            binds = [change for change in changes if isinstance(change, Bind)]
            bound[("n", decided["metadata"]["name"])] = binds[0].node
        ended = {k for k in bound if status_of(pods.get(k) or {}).get("phase") == "Succeeded"}
        expected = Counter(node for k, node in bound.items() if k not in ended)
        assert +desk._load.pods == expected
    assert not desk.waiting
