"""Pod and everything below PodSpec and PodStatus but volumes, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.core.v1

Pod
  apiVersion string
  kind string
  metadata ObjectMeta
  spec PodSpec
  status PodStatus

PodSpec
  activeDeadlineSeconds int64
  affinity Affinity
  automountServiceAccountToken boolean
  containers! [name]Container
  dnsConfig PodDNSConfig
  dnsPolicy string
  enableServiceLinks boolean
  ephemeralContainers [name]EphemeralContainer
  hostAliases [ip]HostAlias
  hostIPC boolean
  hostNetwork boolean
  hostPID boolean
  hostUsers boolean
  hostname string
  hostnameOverride string
  imagePullSecrets [name]LocalObjectReference
  initContainers [name]Container
  nodeName string
  nodeSelector {}string atomic
  os PodOS
  overhead {}Quantity
  preemptionPolicy string
  priority integer
  priorityClassName string
  readinessGates []PodReadinessGate
  resourceClaims [name]PodResourceClaim merge,retainKeys
  resources ResourceRequirements
  restartPolicy string
  runtimeClassName string
  schedulerName string
  schedulingGates [name]PodSchedulingGate
  schedulingGroup PodSchedulingGroup
  securityContext PodSecurityContext
  serviceAccount string
  serviceAccountName string
  setHostnameAsFQDN boolean
  shareProcessNamespace boolean
  subdomain string
  terminationGracePeriodSeconds int64
  tolerations []Toleration
  topologySpreadConstraints [topologyKey,whenUnsatisfiable]TopologySpreadConstraint
  volumes [name]Volume merge,retainKeys

Affinity
  nodeAffinity NodeAffinity
  podAffinity PodAffinity
  podAntiAffinity PodAntiAffinity

NodeAffinity
  preferredDuringSchedulingIgnoredDuringExecution []PreferredSchedulingTerm
  requiredDuringSchedulingIgnoredDuringExecution NodeSelector

PreferredSchedulingTerm
  preference! NodeSelectorTerm
  weight! integer

NodeSelectorTerm atomic
  matchExpressions []NodeSelectorRequirement
  matchFields []NodeSelectorRequirement

NodeSelectorRequirement
  key! string
  operator! string
  values []string

NodeSelector atomic
  nodeSelectorTerms! []NodeSelectorTerm

PodAffinity
  preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
  requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm

WeightedPodAffinityTerm
  podAffinityTerm! PodAffinityTerm
  weight! integer

PodAffinityTerm
  labelSelector LabelSelector
  matchLabelKeys []string
  mismatchLabelKeys []string
  namespaceSelector LabelSelector
  namespaces []string
  topologyKey! string

PodAntiAffinity
  preferredDuringSchedulingIgnoredDuringExecution []WeightedPodAffinityTerm
  requiredDuringSchedulingIgnoredDuringExecution []PodAffinityTerm

Container
  args []string
  command []string
  env [name]EnvVar
  envFrom []EnvFromSource
  image string
  imagePullPolicy string
  lifecycle Lifecycle
  livenessProbe Probe
  name! string
  ports [containerPort,protocol]ContainerPort
  readinessProbe Probe
  resizePolicy []ContainerResizePolicy
  resources ResourceRequirements
  restartPolicy string
  restartPolicyRules []ContainerRestartRule
  securityContext SecurityContext
  startupProbe Probe
  stdin boolean
  stdinOnce boolean
  terminationMessagePath string
  terminationMessagePolicy string
  tty boolean
  volumeDevices [devicePath]VolumeDevice
  volumeMounts [mountPath]VolumeMount
  workingDir string

EnvVar
  name! string
  value string
  valueFrom EnvVarSource

EnvVarSource
  configMapKeyRef ConfigMapKeySelector
  fieldRef ObjectFieldSelector
  fileKeyRef FileKeySelector
  resourceFieldRef ResourceFieldSelector
  secretKeyRef SecretKeySelector

ConfigMapKeySelector atomic
  key! string
  name string
  optional boolean

ObjectFieldSelector atomic
  apiVersion string
  fieldPath! string

FileKeySelector atomic
  key! string
  optional boolean
  path! string
  volumeName! string

ResourceFieldSelector atomic
  containerName string
  divisor Quantity
  resource! string

SecretKeySelector atomic
  key! string
  name string
  optional boolean

EnvFromSource
  configMapRef ConfigMapEnvSource
  prefix string
  secretRef SecretEnvSource

ConfigMapEnvSource
  name string
  optional boolean

SecretEnvSource
  name string
  optional boolean

Lifecycle
  postStart LifecycleHandler
  preStop LifecycleHandler
  stopSignal string

LifecycleHandler
  exec ExecAction
  httpGet HTTPGetAction
  sleep SleepAction
  tcpSocket TCPSocketAction

ExecAction
  command []string

HTTPGetAction
  host string
  httpHeaders []HTTPHeader
  path string
  port! IntOrString
  scheme string

HTTPHeader
  name! string
  value! string

SleepAction
  seconds! int64

TCPSocketAction
  host string
  port! IntOrString

Probe
  exec ExecAction
  failureThreshold integer
  grpc GRPCAction
  httpGet HTTPGetAction
  initialDelaySeconds integer
  periodSeconds integer
  successThreshold integer
  tcpSocket TCPSocketAction
  terminationGracePeriodSeconds int64
  timeoutSeconds integer

GRPCAction
  port! integer
  service string

ContainerPort
  containerPort! integer
  hostIP string
  hostPort integer
  name string
  protocol string default:TCP

ContainerResizePolicy
  resourceName! string
  restartPolicy! string

ResourceRequirements
  claims [name]ResourceClaim nopatch
  limits {}Quantity
  requests {}Quantity

ResourceClaim
  name! string
  request string

ContainerRestartRule
  action! string
  exitCodes ContainerRestartRuleOnExitCodes

ContainerRestartRuleOnExitCodes
  operator! string
  values [set]integer

SecurityContext
  allowPrivilegeEscalation boolean
  appArmorProfile AppArmorProfile
  capabilities Capabilities
  privileged boolean
  procMount string
  readOnlyRootFilesystem boolean
  runAsGroup int64
  runAsNonRoot boolean
  runAsUser int64
  seLinuxOptions SELinuxOptions
  seccompProfile SeccompProfile
  windowsOptions WindowsSecurityContextOptions

AppArmorProfile
  localhostProfile string
  type! string

Capabilities
  add []string
  drop []string

SELinuxOptions
  level string
  role string
  type string
  user string

SeccompProfile
  localhostProfile string
  type! string

WindowsSecurityContextOptions
  gmsaCredentialSpec string
  gmsaCredentialSpecName string
  hostProcess boolean
  runAsUserName string

VolumeDevice
  devicePath! string
  name! string

VolumeMount
  mountPath! string
  mountPropagation string
  name! string
  readOnly boolean
  recursiveReadOnly string
  subPath string
  subPathExpr string

PodDNSConfig
  nameservers []string
  options []PodDNSConfigOption
  searches []string

PodDNSConfigOption
  name string
  value string

EphemeralContainer
  args []string
  command []string
  env [name]EnvVar
  envFrom []EnvFromSource
  image string
  imagePullPolicy string
  lifecycle Lifecycle
  livenessProbe Probe
  name! string
  ports [containerPort,protocol]ContainerPort
  readinessProbe Probe
  resizePolicy []ContainerResizePolicy
  resources ResourceRequirements
  restartPolicy string
  restartPolicyRules []ContainerRestartRule
  securityContext SecurityContext
  startupProbe Probe
  stdin boolean
  stdinOnce boolean
  targetContainerName string
  terminationMessagePath string
  terminationMessagePolicy string
  tty boolean
  volumeDevices [devicePath]VolumeDevice
  volumeMounts [mountPath]VolumeMount
  workingDir string

HostAlias
  hostnames []string
  ip! string

LocalObjectReference atomic
  name string

PodOS
  name! string

PodReadinessGate
  conditionType! string

PodResourceClaim
  name! string
  resourceClaimName string
  resourceClaimTemplateName string

PodSchedulingGate
  name! string

PodSchedulingGroup
  podGroupName string

PodSecurityContext
  appArmorProfile AppArmorProfile
  fsGroup int64
  fsGroupChangePolicy string
  runAsGroup int64
  runAsNonRoot boolean
  runAsUser int64
  seLinuxChangePolicy string
  seLinuxOptions SELinuxOptions
  seccompProfile SeccompProfile
  supplementalGroups []int64
  supplementalGroupsPolicy string
  sysctls []Sysctl
  windowsOptions WindowsSecurityContextOptions

Sysctl
  name! string
  value! string

Toleration
  effect string
  key string
  operator string
  tolerationSeconds int64
  value string

TopologySpreadConstraint
  labelSelector LabelSelector
  matchLabelKeys []string
  maxSkew! integer
  minDomains integer
  nodeAffinityPolicy string
  nodeTaintsPolicy string
  topologyKey! string
  whenUnsatisfiable! string

PodStatus
  allocatedResources {}Quantity
  conditions [type]PodCondition
  containerStatuses []ContainerStatus
  ephemeralContainerStatuses []ContainerStatus
  extendedResourceClaimStatus PodExtendedResourceClaimStatus
  hostIP string
  hostIPs [ip]HostIP atomic
  initContainerStatuses []ContainerStatus
  message string
  nodeAllocatableResourceClaimStatuses []NodeAllocatableResourceClaimStatus
  nominatedNodeName string
  observedGeneration int64
  phase string
  podIP string
  podIPs [ip]PodIP
  qosClass string
  reason string
  resize string
  resourceClaimStatuses [name]PodResourceClaimStatus merge,retainKeys
  resources ResourceRequirements
  startTime Time

PodCondition
  lastProbeTime Time
  lastTransitionTime Time
  message string
  observedGeneration int64
  reason string
  status! string
  type! string

ContainerStatus
  allocatedResources {}Quantity
  allocatedResourcesStatus [name]ResourceStatus
  containerID string
  image! string
  imageID! string
  lastState ContainerState
  name! string
  ready! boolean
  resources ResourceRequirements
  restartCount! integer
  started boolean
  state ContainerState
  stopSignal string
  user ContainerUser
  volumeMounts [mountPath]VolumeMountStatus

ResourceStatus
  name! string
  resources [resourceID]ResourceHealth nopatch

ResourceHealth
  health string
  message string
  resourceID! string

ContainerState
  running ContainerStateRunning
  terminated ContainerStateTerminated
  waiting ContainerStateWaiting

ContainerStateRunning
  startedAt Time

ContainerStateTerminated
  containerID string
  exitCode! integer
  finishedAt Time
  message string
  reason string
  signal integer
  startedAt Time

ContainerStateWaiting
  message string
  reason string

ContainerUser
  linux LinuxContainerUser

LinuxContainerUser
  gid! int64
  supplementalGroups []int64
  uid! int64

VolumeMountStatus
  mountPath! string
  name! string
  readOnly boolean
  recursiveReadOnly string
  volumeStatus VolumeStatus

VolumeStatus
  image ImageVolumeStatus

ImageVolumeStatus
  imageRef! string

PodExtendedResourceClaimStatus
  requestMappings! []ContainerExtendedResourceRequest
  resourceClaimName! string

ContainerExtendedResourceRequest
  containerName! string
  requestName! string
  resourceName! string

HostIP
  ip! string

NodeAllocatableResourceClaimStatus
  containers [set]string
  resourceClaimName! string
  resources! {}Quantity

PodIP
  ip! string

PodResourceClaimStatus
  name! string
  resourceClaimName string

PodTemplateSpec
  metadata ObjectMeta
  spec PodSpec
"""
