"""The real kubectl with ClusterNetworkPolicies."""

from tests.api.test_kubectl import Kubectl, kubectl

__all__ = ["kubectl"]

POLICY = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: closed}
spec:
  tier: Admin
  priority: PRIORITY
  subject: {namespaces: {matchLabels: {closed: "yes"}}}
  ingress:
  - {action: Deny, from: [{namespaces: {}}]}
"""


def test_apply_get_explain_refuse_delete(kubectl: Kubectl) -> None:
    named = "clusternetworkpolicy.policy.networking.k8s.io/closed"
    assert kubectl("apply -f -", POLICY.replace("PRIORITY", "10")) == f"{named} created\n"
    assert kubectl("apply -f -", POLICY.replace("PRIORITY", "20")) == f"{named} configured\n"
    header, row = kubectl("get cnp").splitlines()
    assert header.split() == ["NAME", "TIER", "PRIORITY", "AGE"]
    assert row.split()[:3] == ["closed", "Admin", "20"]
    assert kubectl("get cnp closed -o jsonpath={.metadata.generation}") == "2"
    assert "leave it to the next tier" in kubectl("explain cnp.spec.egress.action")
    assert "spec.priority: Invalid value: 2000" in kubectl.fails("apply -f -", POLICY.replace("PRIORITY", "2000"))
    assert kubectl("delete cnp closed").startswith("clusternetworkpolicy.policy.networking.k8s.io ")
