"""The rest of the core group: Service, Node, Namespace, ConfigMap, …, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.core.v1

Namespace  # A room for names: objects in different ones do not meet.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec NamespaceSpec
  status NamespaceStatus

NamespaceSpec
  finalizers []string go:v1.FinalizerName

NamespaceStatus
  conditions [type]NamespaceCondition
  phase string =Active|Terminating go:v1.NamespacePhase

NamespaceCondition
  lastTransitionTime Time
  message string
  reason string
  status! string go:v1.ConditionStatus
  type! string go:v1.NamespaceConditionType

Node  # A machine that runs pods.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec NodeSpec
  status NodeStatus

NodeSpec  # What is wanted of a node.
  configSource NodeConfigSource
  externalID string
  podCIDR string  # The range of its pods' addresses.
  podCIDRs [set]string merge  # The same for each family; the first equals podCIDR.
  providerID string
  taints []Taint  # Keep pods away that do not tolerate them.
  unschedulable boolean  # No new pods come here.

NodeConfigSource
  configMap ConfigMapNodeConfigSource

ConfigMapNodeConfigSource
  kubeletConfigKey! string
  name! string
  namespace! string
  resourceVersion string
  uid string

Taint
  effect! string =NoSchedule|PreferNoSchedule|NoExecute go:v1.TaintEffect
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
  type! string go:v1.NodeAddressType

NodeCondition
  lastHeartbeatTime Time
  lastTransitionTime Time
  message string
  reason string
  status! string go:v1.ConditionStatus
  type! string go:v1.NodeConditionType

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

PodTemplate  # A description of pods to make.
  apiVersion string
  kind string
  metadata ObjectMeta
  template PodTemplateSpec

Service  # A name and address for a set of pods, which stays while the pods come and go.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ServiceSpec  # What clients may expect of it.
  status ServiceStatus  # What load balancers have reported.

ServiceSpec  # Which pods answer, and under which addresses and ports.
  allocateLoadBalancerNodePorts boolean  # For type LoadBalancer: whether its ports get nodePorts too.
  clusterIP string  # The address inside the cluster; None makes the Service headless, empty lets one be allocated.
  clusterIPs []string  # The same for each IP family; the first equals clusterIP.
  externalIPs []string
    # Further addresses that nodes accept traffic for; who routes them there is not Kubernetes' business.
  externalName string  # For type ExternalName: the DNS name that it stands for.
  externalTrafficPolicy string =Cluster|Local go:v1.ServiceExternalTrafficPolicy
    # Which pods traffic from outside may reach: any, or only those on the node it came to.
  healthCheckNodePort integer  # For LoadBalancer with policy Local: where nodes say whether they have pods of it.
  internalTrafficPolicy string =Cluster|Local go:v1.ServiceInternalTrafficPolicy  # The same for traffic from inside.
  ipFamilies []string =IPv4|IPv6 go:v1.IPFamily  # The families of its clusterIPs.
  ipFamilyPolicy string =SingleStack|PreferDualStack|RequireDualStack go:v1.IPFamilyPolicy
    # One family, two where there are two, or two or nothing.
  loadBalancerClass string  # For type LoadBalancer: whose load balancer it shall be.
  loadBalancerIP string  # An address asked of the load balancer. Deprecated.
  loadBalancerSourceRanges []string  # CIDRs that may come in through the load balancer; none means all.
  ports [port,protocol]ServicePort  # What clients dial and where it leads.
  publishNotReadyAddresses boolean  # Also sends traffic to (and publishes in DNS) pods that are not ready.
  selector {}string atomic  # Labels of the pods that answer; without it, somebody else writes the EndpointSlices.
  sessionAffinity string =ClientIP|None go:v1.ServiceAffinity
    # Whether a client's later connections go to the pod of its first.
  sessionAffinityConfig SessionAffinityConfig  # How long that is remembered.
  trafficDistribution string  # A preference for near endpoints, such as PreferSameZone.
  type string =ClusterIP|NodePort|LoadBalancer|ExternalName go:v1.ServiceType
    # How it can be reached: within the cluster, on every node, by a load balancer, or only as a DNS alias.

ServicePort  # One port that clients dial.
  appProtocol string  # What is spoken on it, e.g. kubernetes.io/h2c; a hint for others.
  name string  # Needed when there are several; unique in the Service.
  nodePort integer  # For NodePort and LoadBalancer: the port on every node; 0 lets one be allocated.
  port! integer  # The port of the Service's own addresses.
  protocol string =TCP|UDP|SCTP go:v1.Protocol default:TCP  # TCP when not given.
  targetPort IntOrString  # The pods' port, by number or by a containerPort's name; equals port when not given.

SessionAffinityConfig  # How session affinity works.
  clientIP ClientIPConfig  # For ClientIP.

ClientIPConfig  # Affinity by the client's address.
  timeoutSeconds integer  # How long a client is remembered after its last connection: 1 to 86400, 10800 when not given.

ServiceStatus  # What is known of a Service from outside.
  conditions [type]Condition  # What controllers say about it.
  loadBalancer LoadBalancerStatus  # The addresses of its load balancer.

LoadBalancerStatus  # The addresses of a load balancer.
  ingress []LoadBalancerIngress  # One entry for each way in.

LoadBalancerIngress  # One way in.
  hostname string  # Its DNS name, if it has no address.
  ip string  # Its address.
  ipMode string =VIP|Proxy go:v1.LoadBalancerIPMode
    # VIP: nodes may answer for the address themselves; Proxy: traffic has to pass the load balancer.
  ports []PortStatus  # What became of each port.

PortStatus
  error string
  port! integer
  protocol! string =TCP|UDP|SCTP go:v1.Protocol

Endpoints  # The addresses behind a Service, all in one object. EndpointSlices have replaced it.
  apiVersion string
  kind string
  metadata ObjectMeta
  subsets []EndpointSubset  # Addresses that share the same ports.

EndpointSubset  # Addresses that share the same ports.
  addresses []EndpointAddress  # Those that are ready.
  notReadyAddresses []EndpointAddress  # Those that are not.
  ports []EndpointPort  # The ports of each.

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
  uid string go:types.UID

EndpointPort atomic
  appProtocol string
  name string
  port! integer
  protocol string =TCP|UDP|SCTP go:v1.Protocol

Event  # Something that happened to an object.
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

ConfigMap  # Settings, as text or bytes under keys.
  apiVersion string
  kind string
  metadata ObjectMeta
  binaryData {}bytes  # Values in base64.
  data {}string  # Values as text.
  immutable boolean  # Its data can no longer be changed.

Secret  # Like a ConfigMap, for what not everyone may read.
  apiVersion string
  kind string
  metadata ObjectMeta
  data {}bytes  # Values in base64.
  immutable boolean  # Its data can no longer be changed.
  stringData {}string  # Values as text; written into data and never shown.
  type string go:v1.SecretType  # What it is for; some types require certain keys.

ServiceAccount  # Who the processes of pods are to the API.
  apiVersion string
  kind string
  metadata ObjectMeta
  automountServiceAccountToken boolean
  imagePullSecrets []LocalObjectReference
  secrets [name]ObjectReference

ReplicationController  # Keeps a number of like pods running. ReplicaSets have replaced it.
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

ResourceQuota  # What a namespace may use in all.
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

LimitRange  # What single objects in a namespace may use, and what they get when they do not say.
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

Binding  # Says on which node a pod shall run.
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
