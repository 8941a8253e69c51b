"""networking.k8s.io and discovery.k8s.io, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.networking.v1

Ingress  # Leads HTTP requests to Services, by host and path.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec IngressSpec
  status IngressStatus

IngressSpec
  defaultBackend IngressBackend
  ingressClassName string
  rules []IngressRule
  tls []IngressTLS

IngressBackend
  resource TypedLocalObjectReference
  service IngressServiceBackend

IngressServiceBackend
  name! string
  port ServiceBackendPort

ServiceBackendPort atomic
  name string
  number integer

IngressRule
  host string
  http HTTPIngressRuleValue

HTTPIngressRuleValue
  paths! []HTTPIngressPath

HTTPIngressPath
  backend! IngressBackend
  path string
  pathType! string =Exact|Prefix|ImplementationSpecific go:v1.PathType

IngressTLS
  hosts []string
  secretName string

IngressStatus
  loadBalancer IngressLoadBalancerStatus

IngressLoadBalancerStatus
  ingress []IngressLoadBalancerIngress

IngressLoadBalancerIngress
  hostname string
  ip string
  ports []IngressPortStatus

IngressPortStatus
  error string
  port! integer
  protocol! string

IngressClass  # Who serves the Ingresses of this class.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec IngressClassSpec

IngressClassSpec
  controller string
  parameters IngressClassParametersReference

IngressClassParametersReference
  apiGroup string
  kind! string
  name! string
  namespace string
  scope string

NetworkPolicy  # Which traffic may reach or leave some pods.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec NetworkPolicySpec

NetworkPolicySpec  # Which pods it is for, and what it allows.
  egress []NetworkPolicyEgressRule  # Traffic they may send; anything matching one of the rules.
  ingress []NetworkPolicyIngressRule  # Traffic they may receive; anything matching one of the rules.
  podSelector LabelSelector  # The pods it is for; an empty one means all in the namespace.
  policyTypes []string =Ingress|Egress go:v1.PolicyType  # Whether it is about traffic in, out or both.

NetworkPolicyEgressRule
  ports []NetworkPolicyPort
  to []NetworkPolicyPeer

NetworkPolicyPort
  endPort integer
  port IntOrString
  protocol string =TCP|UDP|SCTP go:v1.Protocol

NetworkPolicyPeer
  ipBlock IPBlock
  namespaceSelector LabelSelector
  podSelector LabelSelector

IPBlock
  cidr! string
  except []string

NetworkPolicyIngressRule
  from []NetworkPolicyPeer
  ports []NetworkPolicyPort

ServiceCIDR  # Ranges that clusterIPs are allocated from.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ServiceCIDRSpec
  status ServiceCIDRStatus

ServiceCIDRSpec
  cidrs []string

ServiceCIDRStatus
  conditions [type]Condition

IPAddress  # An address that is taken, and by whom.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! IPAddressSpec

IPAddressSpec
  parentRef! ParentReference

ParentReference
  group string
  name! string
  namespace string
  resource! string

package io.k8s.api.discovery.v1

EndpointSlice  # Some of the addresses behind a Service, of one IP family.
  apiVersion string
  kind string
  metadata ObjectMeta
  addressType! string =IPv4|IPv6|FQDN go:v1.AddressType  # The family of all its addresses; cannot be changed.
  endpoints []Endpoint  # The addresses; at most 1000.
  ports []discovery.EndpointPort  # The ports that each endpoint answers on; at most 100.

Endpoint  # One pod (or other thing) that answers.
  addresses! [set]string  # Its address; proxies use only the first.
  conditions EndpointConditions  # Whether it takes traffic.
  deprecatedTopology {}string  # What v1beta1 put here.
  hints EndpointHints  # Who should prefer it.
  hostname string  # Its DNS name below the Service's.
  nodeName string  # The node it runs on.
  targetRef ObjectReference  # The Pod it stands for.
  zone string  # The zone it runs in.

EndpointConditions  # Whether an endpoint takes traffic.
  ready boolean  # It does, and is not on its way out. Not given counts as true.
  serving boolean  # It does, on its way out or not. Not given counts as ready.
  terminating boolean  # It is on its way out.

EndpointHints  # For whom an endpoint is meant first.
  forNodes []ForNode  # Nodes that should use it.
  forZones []ForZone  # Zones that should use it.

ForNode
  name! string

ForZone
  name! string

discovery.EndpointPort atomic  # A port that every endpoint of a slice answers on.
  appProtocol string  # What is spoken on it.
  name string  # The ServicePort's name.
  port integer  # Its number on the endpoint.
  protocol string =TCP|UDP|SCTP go:v1.Protocol  # TCP when not given.
"""
