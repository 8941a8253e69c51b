"""networking.k8s.io and discovery.k8s.io, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.networking.v1

Ingress
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
  pathType! string

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

IngressClass
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

NetworkPolicy
  apiVersion string
  kind string
  metadata ObjectMeta
  spec NetworkPolicySpec

NetworkPolicySpec
  egress []NetworkPolicyEgressRule
  ingress []NetworkPolicyIngressRule
  podSelector LabelSelector
  policyTypes []string

NetworkPolicyEgressRule
  ports []NetworkPolicyPort
  to []NetworkPolicyPeer

NetworkPolicyPort
  endPort integer
  port IntOrString
  protocol string

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

ServiceCIDR
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ServiceCIDRSpec
  status ServiceCIDRStatus

ServiceCIDRSpec
  cidrs []string

ServiceCIDRStatus
  conditions [type]Condition

IPAddress
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

EndpointSlice
  apiVersion string
  kind string
  metadata ObjectMeta
  addressType! string
  endpoints []Endpoint
  ports []discovery.EndpointPort

Endpoint
  addresses! [set]string
  conditions EndpointConditions
  deprecatedTopology {}string
  hints EndpointHints
  hostname string
  nodeName string
  targetRef ObjectReference
  zone string

EndpointConditions
  ready boolean
  serving boolean
  terminating boolean

EndpointHints
  forNodes []ForNode
  forZones []ForZone

ForNode
  name! string

ForZone
  name! string

discovery.EndpointPort atomic
  appProtocol string
  name string
  port integer
  protocol string
"""
