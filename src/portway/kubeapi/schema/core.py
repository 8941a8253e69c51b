"""The rest of the core group: Service, Node, Namespace, ConfigMap, …, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.core.v1

Namespace
  apiVersion string
  kind string
  metadata ObjectMeta
  spec NamespaceSpec
  status NamespaceStatus

NamespaceSpec
  finalizers []string

NamespaceStatus
  conditions [type]NamespaceCondition
  phase string

NamespaceCondition
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

Node
  apiVersion string
  kind string
  metadata ObjectMeta
  spec NodeSpec
  status NodeStatus

NodeSpec
  configSource NodeConfigSource
  externalID string
  podCIDR string
  podCIDRs [set]string merge
  providerID string
  taints []Taint
  unschedulable boolean

NodeConfigSource
  configMap ConfigMapNodeConfigSource

ConfigMapNodeConfigSource
  kubeletConfigKey! string
  name! string
  namespace! string
  resourceVersion string
  uid string

Taint
  effect! string
  key! string
  timeAdded Time
  value string

NodeStatus
  addresses [type]NodeAddress
  allocatable {}Quantity
  capacity {}Quantity
  conditions [type]NodeCondition
  config NodeConfigStatus
  daemonEndpoints NodeDaemonEndpoints
  declaredFeatures []string
  features NodeFeatures
  images []ContainerImage
  nodeInfo NodeSystemInfo
  phase string
  runtimeHandlers []NodeRuntimeHandler
  volumesAttached []AttachedVolume
  volumesInUse []string

NodeAddress
  address! string
  type! string

NodeCondition
  lastHeartbeatTime Time
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

NodeConfigStatus
  active NodeConfigSource
  assigned NodeConfigSource
  error string
  lastKnownGood NodeConfigSource

NodeDaemonEndpoints
  kubeletEndpoint DaemonEndpoint

DaemonEndpoint
  Port! integer

NodeFeatures
  supplementalGroupsPolicy boolean

ContainerImage
  names []string
  sizeBytes int64

NodeSystemInfo
  architecture! string
  bootID! string
  containerRuntimeVersion! string
  kernelVersion! string
  kubeProxyVersion! string
  kubeletVersion! string
  machineID! string
  operatingSystem! string
  osImage! string
  swap NodeSwapStatus
  systemUUID! string

NodeSwapStatus
  capacity int64

NodeRuntimeHandler
  features NodeRuntimeHandlerFeatures
  name string

NodeRuntimeHandlerFeatures
  recursiveReadOnlyMounts boolean
  userNamespaces boolean

AttachedVolume
  devicePath! string
  name! string

PodTemplate
  apiVersion string
  kind string
  metadata ObjectMeta
  template PodTemplateSpec

Service
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ServiceSpec
  status ServiceStatus

ServiceSpec
  allocateLoadBalancerNodePorts boolean
  clusterIP string
  clusterIPs []string
  externalIPs []string
  externalName string
  externalTrafficPolicy string
  healthCheckNodePort integer
  internalTrafficPolicy string
  ipFamilies []string
  ipFamilyPolicy string
  loadBalancerClass string
  loadBalancerIP string
  loadBalancerSourceRanges []string
  ports [port,protocol]ServicePort
  publishNotReadyAddresses boolean
  selector {}string atomic
  sessionAffinity string
  sessionAffinityConfig SessionAffinityConfig
  trafficDistribution string
  type string

ServicePort
  appProtocol string
  name string
  nodePort integer
  port! integer
  protocol string default:TCP
  targetPort IntOrString

SessionAffinityConfig
  clientIP ClientIPConfig

ClientIPConfig
  timeoutSeconds integer

ServiceStatus
  conditions [type]Condition
  loadBalancer LoadBalancerStatus

LoadBalancerStatus
  ingress []LoadBalancerIngress

LoadBalancerIngress
  hostname string
  ip string
  ipMode string
  ports []PortStatus

PortStatus
  error string
  port! integer
  protocol! string

Endpoints
  apiVersion string
  kind string
  metadata ObjectMeta
  subsets []EndpointSubset

EndpointSubset
  addresses []EndpointAddress
  notReadyAddresses []EndpointAddress
  ports []EndpointPort

EndpointAddress atomic
  hostname string
  ip! string
  nodeName string
  targetRef ObjectReference

ObjectReference atomic
  apiVersion string
  fieldPath string
  kind string
  name string
  namespace string
  resourceVersion string
  uid string

EndpointPort atomic
  appProtocol string
  name string
  port! integer
  protocol string

Event
  apiVersion string
  kind string
  metadata! ObjectMeta
  action string
  count integer
  eventTime MicroTime
  firstTimestamp Time
  involvedObject! ObjectReference
  lastTimestamp Time
  message string
  reason string
  related ObjectReference
  reportingComponent string
  reportingInstance string
  series EventSeries
  source EventSource
  type string

EventSeries
  count integer
  lastObservedTime MicroTime

EventSource
  component string
  host string

ConfigMap
  apiVersion string
  kind string
  metadata ObjectMeta
  binaryData {}bytes
  data {}string
  immutable boolean

Secret
  apiVersion string
  kind string
  metadata ObjectMeta
  data {}bytes
  immutable boolean
  stringData {}string
  type string

ServiceAccount
  apiVersion string
  kind string
  metadata ObjectMeta
  automountServiceAccountToken boolean
  imagePullSecrets []LocalObjectReference
  secrets [name]ObjectReference

ReplicationController
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ReplicationControllerSpec
  status ReplicationControllerStatus

ReplicationControllerSpec
  minReadySeconds integer
  replicas integer
  selector {}string atomic
  template PodTemplateSpec

ReplicationControllerStatus
  availableReplicas integer
  conditions [type]ReplicationControllerCondition
  fullyLabeledReplicas integer
  observedGeneration int64
  readyReplicas integer
  replicas! integer

ReplicationControllerCondition
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

SecretReference atomic
  name string
  namespace string

ResourceQuota
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ResourceQuotaSpec
  status ResourceQuotaStatus

ResourceQuotaSpec
  hard {}Quantity
  scopeSelector ScopeSelector
  scopes []string

ScopeSelector atomic
  matchExpressions []ScopedResourceSelectorRequirement

ScopedResourceSelectorRequirement
  operator! string
  scopeName! string
  values []string

ResourceQuotaStatus
  hard {}Quantity
  used {}Quantity

LimitRange
  apiVersion string
  kind string
  metadata ObjectMeta
  spec LimitRangeSpec

LimitRangeSpec
  limits! []LimitRangeItem

LimitRangeItem
  default {}Quantity
  defaultRequest {}Quantity
  max {}Quantity
  maxLimitRequestRatio {}Quantity
  min {}Quantity
  type! string

Binding
  apiVersion string
  kind string
  metadata ObjectMeta
  target! ObjectReference

TopologySelectorTerm atomic
  matchLabelExpressions []TopologySelectorLabelRequirement

TopologySelectorLabelRequirement
  key! string
  values! []string
"""
