"""Pod and everything below PodSpec and PodStatus but volumes, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.core.v1

Pod  # Containers that run together on one node and share one address.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec PodSpec  # What shall run.
  status PodStatus  # What is seen to run.

PodSpec  # Which containers run, where and how.
  activeDeadlineSeconds int64  # After this many seconds the pod is failed and its containers killed.
  affinity Affinity  # Rules on nodes and on other pods that scheduling honours.
  automountServiceAccountToken boolean  # Whether its containers get the service account's token.
  containers! [name]Container  # What runs; at least one.
  dnsConfig PodDNSConfig  # Added to what dnsPolicy gives.
  dnsPolicy string =ClusterFirst|ClusterFirstWithHostNet|Default|None go:v1.DNSPolicy  # Whose DNS the containers ask.
  enableServiceLinks boolean  # Whether Services become environment variables.
  ephemeralContainers [name]EphemeralContainer  # Added to a running pod, for debugging.
  hostAliases [ip]HostAlias  # Lines for the containers' /etc/hosts.
  hostIPC boolean  # Uses the node's IPC namespace.
  hostNetwork boolean  # Uses the node's network; its ports are the node's.
  hostPID boolean  # Sees the node's processes.
  hostUsers boolean
  hostname string  # The host name inside; the pod's name when not given.
  hostnameOverride string
  imagePullSecrets [name]LocalObjectReference  # Secrets for the registries that its images come from.
  initContainers [name]Container
    # Run one after the other before the containers start; with restartPolicy Always they stay, as sidecars.
  nodeName string  # The node it runs on; set by the scheduler.
  nodeSelector {}string atomic  # Labels that its node must have.
  os PodOS  # The operating system it is made for.
  overhead {}Quantity  # What running it costs beyond its containers.
  preemptionPolicy string =Never|PreemptLowerPriority go:v1.PreemptionPolicy
    # Whether pods of lower priority make room for it.
  priority integer  # How important it is; made from priorityClassName.
  priorityClassName string  # The class that its priority comes from.
  readinessGates []PodReadinessGate  # Conditions that must be true, too, before it is ready.
  resourceClaims [name]PodResourceClaim merge,retainKeys
  resources ResourceRequirements  # What all its containers together need and may use.
  restartPolicy string =Always|OnFailure|Never go:v1.RestartPolicy  # Whether containers that end are started again.
  runtimeClassName string  # The kind of runtime that runs it.
  schedulerName string  # Who schedules it.
  schedulingGates [name]PodSchedulingGate  # While any is left it is not scheduled.
  schedulingGroup PodSchedulingGroup
  securityContext PodSecurityContext  # Users, groups and rights of all its containers.
  serviceAccount string  # The old name of serviceAccountName.
  serviceAccountName string  # Who its processes are to the API.
  setHostnameAsFQDN boolean  # The host name inside is the full DNS name.
  shareProcessNamespace boolean  # Its containers see each other's processes.
  subdomain string  # With hostname, its DNS name below a headless Service.
  terminationGracePeriodSeconds int64
    # How long its processes have between being asked to end and being killed; 30 when not given.
  tolerations []Toleration  # Taints of nodes that do not keep it away.
  topologySpreadConstraints [topologyKey,whenUnsatisfiable]TopologySpreadConstraint
    # How evenly its like are spread over nodes or zones.
  volumes [name]Volume merge,retainKeys  # What its containers can mount.

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
  operator! string =In|NotIn|Exists|DoesNotExist|Gt|Lt go:v1.NodeSelectorOperator
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

Container  # One program with its image, ports and limits.
  args []string  # Arguments for the image's entry point.
  command []string  # Run instead of the image's entry point.
  env [name]EnvVar  # Environment variables.
  envFrom []EnvFromSource  # Sources whose every key becomes an environment variable.
  image string  # The image it runs.
  imagePullPolicy string =Always|IfNotPresent|Never go:v1.PullPolicy  # When the image is fetched.
  lifecycle Lifecycle  # What to do after it starts and before it stops.
  livenessProbe Probe  # When this fails it is restarted.
  name! string  # Unique in the pod.
  ports [containerPort,protocol]ContainerPort
    # Ports it listens on. Naming one lets a Service's targetPort use the name.
  readinessProbe Probe  # While this fails, Services send it nothing.
  resizePolicy []ContainerResizePolicy  # Whether it must restart when a resource is changed.
  resources ResourceRequirements  # What it needs and may use.
  restartPolicy string go:v1.ContainerRestartPolicy  # For init containers: Always makes a sidecar.
  restartPolicyRules []ContainerRestartRule  # What to do for which exit code.
  securityContext SecurityContext  # Its user and rights.
  startupProbe Probe  # Until this has succeeded the other probes wait.
  stdin boolean  # Keeps standard input open.
  stdinOnce boolean  # Closes it after the first attached session.
  terminationMessagePath string  # A file whose text becomes the reason it ended.
  terminationMessagePolicy string =File|FallbackToLogsOnError go:v1.TerminationMessagePolicy
    # Whether the log's end serves when that file is empty.
  tty boolean  # Gives it a terminal.
  volumeDevices [devicePath]VolumeDevice  # Block devices it uses.
  volumeMounts [mountPath]VolumeMount  # Where it sees the pod's volumes.
  workingDir string  # Where it starts; the image's own when not given.

EnvVar  # One environment variable.
  name! string  # Its name.
  value string  # Its value; $(NAME) stands for variables defined before.
  valueFrom EnvVarSource  # Where its value comes from instead.

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

HTTPGetAction  # A GET that a probe or hook sends.
  host string  # Whom to ask; the pod's address when not given.
  httpHeaders []HTTPHeader  # Headers to send.
  path string  # What to ask for.
  port! IntOrString  # A number, or a containerPort's name.
  scheme string =HTTP|HTTPS go:v1.URIScheme  # HTTP when not given.

HTTPHeader
  name! string
  value! string

SleepAction
  seconds! int64

TCPSocketAction
  host string
  port! IntOrString

Probe  # How a container's health is asked.
  exec ExecAction  # Runs a command; 0 is healthy.
  failureThreshold integer  # Failures in a row that count; 3 when not given.
  grpc GRPCAction  # Asks the gRPC health service.
  httpGet HTTPGetAction  # Sends a GET; 200 to 399 is healthy.
  initialDelaySeconds integer  # Seconds to wait after start.
  periodSeconds integer  # Seconds from one to the next; 10 when not given.
  successThreshold integer  # Successes in a row that count after a failure.
  tcpSocket TCPSocketAction  # Opens a connection.
  terminationGracePeriodSeconds int64  # Instead of the pod's, when this probe ends it.
  timeoutSeconds integer  # Seconds until no answer is a failure; 1 when not given.

GRPCAction
  port! integer
  service string

ContainerPort  # A port that a container listens on.
  containerPort! integer  # Its number, 1 to 65535.
  hostIP string  # The node's address for hostPort.
  hostPort integer  # The same port on the node.
  name string  # For targetPort to refer to.
  protocol string =TCP|UDP|SCTP go:v1.Protocol default:TCP  # TCP when not given.

ContainerResizePolicy
  resourceName! string
  restartPolicy! string

ResourceRequirements  # What a container needs and may use.
  claims [name]ResourceClaim nopatch  # Of the pod's resourceClaims, those it uses.
  limits {}Quantity  # At most this much.
  requests {}Quantity  # At least this much; scheduling counts it. Equals limits when not given.

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
  add []string go:v1.Capability
  drop []string go:v1.Capability

SELinuxOptions
  level string
  role string
  type string
  user string

SeccompProfile
  localhostProfile string
  type! string =Localhost|RuntimeDefault|Unconfined go:v1.SeccompProfileType

WindowsSecurityContextOptions
  gmsaCredentialSpec string
  gmsaCredentialSpecName string
  hostProcess boolean
  runAsUserName string

VolumeDevice
  devicePath! string
  name! string

VolumeMount  # Where a container sees a volume.
  mountPath! string  # The folder inside the container.
  mountPropagation string go:v1.MountPropagationMode
  name! string  # The volume's name.
  readOnly boolean  # Whether it may only read.
  recursiveReadOnly string
  subPath string  # Only this folder of the volume.
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
  imagePullPolicy string =Always|IfNotPresent|Never go:v1.PullPolicy
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
  terminationMessagePolicy string =File|FallbackToLogsOnError go:v1.TerminationMessagePolicy
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
  name! string go:v1.OSName

PodReadinessGate
  conditionType! string go:v1.PodConditionType

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
  fsGroupChangePolicy string go:v1.PodFSGroupChangePolicy
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
  effect string =NoSchedule|PreferNoSchedule|NoExecute go:v1.TaintEffect
  key string
  operator string go:v1.TolerationOperator
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
  whenUnsatisfiable! string =DoNotSchedule|ScheduleAnyway go:v1.UnsatisfiableConstraintAction

PodStatus  # What is seen of a pod.
  allocatedResources {}Quantity
  conditions [type]PodCondition  # PodScheduled, Initialized, ContainersReady, Ready and others.
  containerStatuses []ContainerStatus  # One for each container.
  ephemeralContainerStatuses []ContainerStatus
  extendedResourceClaimStatus PodExtendedResourceClaimStatus
  hostIP string  # Its node's address.
  hostIPs [ip]HostIP atomic
  initContainerStatuses []ContainerStatus
  message string
  nodeAllocatableResourceClaimStatuses []NodeAllocatableResourceClaimStatus
  nominatedNodeName string
  observedGeneration int64
  phase string =Pending|Running|Succeeded|Failed|Unknown go:v1.PodPhase  # Where it is in its life.
  podIP string  # Its address.
  podIPs [ip]PodIP  # Its address in each family; the first equals podIP.
  qosClass string =Guaranteed|Burstable|BestEffort go:v1.PodQOSClass
  reason string
  resize string
  resourceClaimStatuses [name]PodResourceClaimStatus merge,retainKeys
  resources ResourceRequirements
  startTime Time  # When its node first saw it.

PodCondition
  lastProbeTime Time
  lastTransitionTime Time
  message string
  observedGeneration int64
  reason string
  status! string go:v1.ConditionStatus
  type! string go:v1.PodConditionType

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

PodTemplateSpec  # What a pod made from this will look like.
  metadata ObjectMeta  # Its labels and annotations.
  spec PodSpec  # What it runs.
"""
