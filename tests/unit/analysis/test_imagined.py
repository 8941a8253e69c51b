"""The cluster that manifests would make."""

from portway.analysis.bundle import Bundle, Item
from portway.analysis.imagined import ASSUMPTIONS, imagine
from portway.analysis.target import Place, parse_target
from portway.analysis.trace import trace
from portway.testing.checks import bundle_of

SHOP = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{port: 80, targetPort: http, nodePort: 30080}]
---
apiVersion: v1
kind: Service
metadata: {name: drawn}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
"""


def test_manifests_alone_can_be_walked() -> None:
    made = imagine(bundle_of(SHOP))
    found = trace(made.terrain, Place("outside"), parse_target("node-2:30080"))
    assert found.code == "FORWARDED" and [b.port for b in found.backends] == [8080, 8080]
    assert set(made.assumptions) <= ASSUMPTIONS.keys() and "ASSUME_NODES" in made.assumptions


def test_what_is_drawn_leaves_written_numbers_alone() -> None:
    ports = [service["spec"]["ports"][0]["nodePort"] for service in imagine(bundle_of(SHOP)).documents["Service"]]
    assert 30080 in ports and len(set(ports)) == 2


def test_what_the_api_server_refuses_is_told_and_the_rest_goes_on() -> None:
    made = imagine(bundle_of(SHOP.replace("nodePort: 30080", "nodePort: 80")))
    (refusal,) = made.refused
    assert refusal.item.name == "web" and "provided port is not in the valid range" in refusal.error.message
    assert [service["metadata"]["name"] for service in made.documents["Service"]] == ["drawn"]


def test_policies_are_judged_in_it() -> None:
    deny = (
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\n"
        "spec: {podSelector: {}, policyTypes: [Ingress]}\n"
    )
    made = imagine(bundle_of(SHOP + deny))
    found = trace(made.terrain, Place("outside"), parse_target("node-1:30080"))
    assert found.code == "NO_RULE_MATCHES" and not found.arrives


def test_daemonsets_run_everywhere_and_statefulsets_count_from_zero() -> None:
    text = (
        SHOP.replace("kind: Deployment", "kind: DaemonSet")
        + "---\n"
        + SHOP.split("---\n")[2]
        .replace("kind: Deployment", "kind: StatefulSet")
        .replace("name: web}\nspec", "name: db}\nspec")
    )
    pods = [pod["metadata"]["name"] for pod in imagine(bundle_of(text)).documents["Pod"]]
    assert sorted(pods) == ["db-0", "db-1", "web-1", "web-2", "web-3"]


def test_a_whole_cluster_is_taken_as_it_is() -> None:
    items = [Item({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}})]
    made = imagine(Bundle(items, complete=True))
    assert list(made.terrain.snapshot.nodes) == ["a"] and made.assumptions == ()


def test_blocks_that_hold_imagined_pods_are_an_assumption() -> None:
    """Whether pods lie in 10.0.0.0/8, the cluster decides; blocks outside do not ask."""
    policy = (
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\n"
        "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: BLOCK}}]}]}\n"
    )
    for block, told in {"10.0.0.0/8": True, "10.244.3.0/24": True, "::/0": True, "192.0.2.0/24": False}.items():
        made = imagine(bundle_of(SHOP + policy.replace("BLOCK", f'"{block}"')))
        assert ("ASSUME_POD_ADDRESSES" in made.assumptions) == told, block


def test_a_networks_own_policies_are_not_kubernetes() -> None:
    """Their selectors are text and their rules others': nothing is said of them, and no pod is closed by them."""
    policy = (
        "---\napiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: web}\n"
        "spec: {selector: all(), types: [Ingress]}\n"
    )
    made = imagine(bundle_of(SHOP + policy))
    assert trace(made.terrain, Place("outside"), parse_target("node-2:30080")).code == "FORWARDED"
