"""policy.networking.k8s.io, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.networking.policy.v1alpha2

ClusterNetworkPolicy  # Which traffic may reach or leave pods of the whole cluster, before or after NetworkPolicies.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! ClusterNetworkPolicySpec
  status ClusterNetworkPolicyStatus

ClusterNetworkPolicySpec
  egress []ClusterNetworkPolicyEgressRule  # Traffic they send; the first rule that matches decides. At most 25.
  ingress []ClusterNetworkPolicyIngressRule  # Traffic they receive; the first rule that matches decides. At most 25.
  priority! integer  # 0 to 1000; of one tier's policies the lower is asked first.
  subject! ClusterNetworkPolicySubject  # The pods it is for.
  tier! string =Admin|Baseline go:v1alpha2.Tier  # Asked before NetworkPolicies, or after them.

ClusterNetworkPolicySubject  # Exactly one of these.
  namespaces LabelSelector  # All pods of these namespaces.
  pods NamespacedPod  # Some pods of some namespaces.

NamespacedPod
  namespaceSelector LabelSelector  # Not given: all namespaces.
  podSelector! LabelSelector

ClusterNetworkPolicyIngressRule
  action! string =Accept|Deny|Pass go:v1alpha2.ClusterNetworkPolicyRuleAction
    # Let it in, drop it, or leave it to the next tier.
  from! []ClusterNetworkPolicyIngressPeer  # Where it comes from; one of these. At most 25.
  name string  # For people; at most 100 characters.
  protocols []ClusterNetworkPolicyProtocol  # What it is; one of these. Not given: everything. At most 25.

ClusterNetworkPolicyIngressPeer  # Exactly one of these.
  namespaces LabelSelector  # All pods of these namespaces.
  pods NamespacedPod  # Some pods of some namespaces.

ClusterNetworkPolicyEgressRule
  action! string =Accept|Deny|Pass go:v1alpha2.ClusterNetworkPolicyRuleAction
    # Let it out, drop it, or leave it to the next tier.
  name string  # For people; at most 100 characters.
  protocols []ClusterNetworkPolicyProtocol  # What it is; one of these. Not given: everything. At most 25.
  to! []ClusterNetworkPolicyEgressPeer  # Where it goes; one of these. At most 25.

ClusterNetworkPolicyEgressPeer  # Exactly one of these.
  domainNames [set]string  # Names, with *. before them for all below; only of rules that accept.
  namespaces LabelSelector  # All pods of these namespaces.
  networks [set]string  # CIDRs; pods' addresses count too.
  nodes LabelSelector  # The addresses of these nodes.
  pods NamespacedPod  # Some pods of some namespaces.

ClusterNetworkPolicyProtocol  # Exactly one of these.
  destinationNamedPort string  # Ports that the destination pod calls so, of whatever protocol.
  sctp ClusterNetworkPolicyProtocolSCTP
  tcp ClusterNetworkPolicyProtocolTCP
  udp ClusterNetworkPolicyProtocolUDP

ClusterNetworkPolicyProtocolSCTP
  destinationPort policy.Port

ClusterNetworkPolicyProtocolTCP
  destinationPort policy.Port

ClusterNetworkPolicyProtocolUDP
  destinationPort policy.Port

policy.Port  # Exactly one of these.
  number integer
  range policy.PortRange

policy.PortRange  # From the one to the other, both included.
  end! integer
  start! integer

ClusterNetworkPolicyStatus
  conditions! [type]Condition
"""
