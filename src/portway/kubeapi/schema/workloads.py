"""apps and batch, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.apps.v1

ReplicaSet  # Keeps a number of like pods running.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ReplicaSetSpec
  status ReplicaSetStatus

ReplicaSetSpec  # How many of which pods.
  minReadySeconds integer  # How long a new pod must be ready before it counts as available.
  replicas integer  # How many pods; 1 when not given.
  selector! LabelSelector  # Which pods are its own; cannot be changed.
  template PodTemplateSpec  # What its pods look like.

ReplicaSetStatus
  availableReplicas integer
  conditions [type]ReplicaSetCondition
  fullyLabeledReplicas integer
  observedGeneration int64
  readyReplicas integer
  replicas! integer
  terminatingReplicas integer

ReplicaSetCondition
  lastTransitionTime Time
  message string
  reason string
  status! string go:v1.ConditionStatus
  type! string go:v1.ReplicaSetConditionType

Deployment  # Keeps a number of like pods running, and changes them step by step.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec DeploymentSpec  # How many of which pods.
  status DeploymentStatus  # How far it is.

DeploymentSpec  # How many of which pods, and how changes happen.
  minReadySeconds integer  # How long a new pod must be ready before it counts as available.
  paused boolean  # Changes of the template wait.
  progressDeadlineSeconds integer  # Without progress for this long, a change counts as failed; 600 when not given.
  replicas integer  # How many pods; 1 when not given.
  revisionHistoryLimit integer  # How many old ReplicaSets are kept to go back to; 10 when not given.
  selector! LabelSelector  # Which pods are its own; must match the template's labels and cannot be changed.
  strategy DeploymentStrategy retainKeys  # How old pods are replaced by new ones.
  template! PodTemplateSpec  # What its pods look like.

DeploymentStrategy  # How old pods are replaced by new ones.
  rollingUpdate RollingUpdateDeployment  # For RollingUpdate: how many at a time.
  type string =Recreate|RollingUpdate go:v1.DeploymentStrategyType
    # A few at a time, or all old ones before any new one.

RollingUpdateDeployment  # How many pods may be missing or too many during a change.
  maxSurge IntOrString  # Pods above replicas, as a number or percentage; 25% when not given.
  maxUnavailable IntOrString  # Pods below replicas, as a number or percentage; 25% when not given.

DeploymentStatus  # How far a Deployment is.
  availableReplicas integer  # Pods that have been ready for minReadySeconds.
  collisionCount integer  # Tells a new ReplicaSet's name from one that is taken.
  conditions [type]DeploymentCondition  # Available, Progressing, ReplicaFailure.
  observedGeneration int64  # The generation that this status is about.
  readyReplicas integer  # Pods that are ready.
  replicas integer  # Pods there are.
  terminatingReplicas integer  # Pods on their way out.
  unavailableReplicas integer  # Pods still missing.
  updatedReplicas integer  # Pods made from the present template.

DeploymentCondition
  lastTransitionTime Time
  lastUpdateTime Time
  message string
  reason string
  status! string go:v1.ConditionStatus
  type! string go:v1.DeploymentConditionType

StatefulSet  # Pods with names, storage and an order that they keep.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec StatefulSetSpec
  status StatefulSetStatus

StatefulSetSpec
  minReadySeconds integer
  ordinals StatefulSetOrdinals
  persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy
  podManagementPolicy string =OrderedReady|Parallel go:v1.PodManagementPolicyType
  replicas integer
  revisionHistoryLimit integer
  selector! LabelSelector
  serviceName string
  template! PodTemplateSpec
  updateStrategy StatefulSetUpdateStrategy
  volumeClaimTemplates []PersistentVolumeClaim

StatefulSetOrdinals
  start integer

StatefulSetPersistentVolumeClaimRetentionPolicy
  whenDeleted string
  whenScaled string

StatefulSetUpdateStrategy
  rollingUpdate RollingUpdateStatefulSetStrategy
  type string =OnDelete|RollingUpdate go:v1.StatefulSetUpdateStrategyType

RollingUpdateStatefulSetStrategy
  maxUnavailable IntOrString
  partition integer

StatefulSetStatus
  availableReplicas integer
  collisionCount integer
  conditions [type]StatefulSetCondition
  currentReplicas integer
  currentRevision string
  observedGeneration int64
  readyReplicas integer
  replicas! integer
  updateRevision string
  updatedReplicas integer

StatefulSetCondition
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

DaemonSet  # One pod on every node.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec DaemonSetSpec
  status DaemonSetStatus

DaemonSetSpec
  minReadySeconds integer
  revisionHistoryLimit integer
  selector! LabelSelector
  template! PodTemplateSpec
  updateStrategy DaemonSetUpdateStrategy

DaemonSetUpdateStrategy
  rollingUpdate RollingUpdateDaemonSet
  type string =OnDelete|RollingUpdate go:v1.DaemonSetUpdateStrategyType

RollingUpdateDaemonSet
  maxSurge IntOrString
  maxUnavailable IntOrString

DaemonSetStatus
  collisionCount integer
  conditions [type]DaemonSetCondition
  currentNumberScheduled! integer
  desiredNumberScheduled! integer
  numberAvailable integer
  numberMisscheduled! integer
  numberReady! integer
  numberUnavailable integer
  observedGeneration int64
  updatedNumberScheduled integer

DaemonSetCondition
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

ControllerRevision  # One state in the history of a StatefulSet or DaemonSet.
  apiVersion string
  kind string
  metadata ObjectMeta
  data object
  revision! int64

package io.k8s.api.batch.v1

Job  # Runs pods until enough have succeeded.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec JobSpec
  status JobStatus

JobSpec
  activeDeadlineSeconds int64
  backoffLimit integer
  backoffLimitPerIndex integer
  completionMode string =NonIndexed|Indexed go:v1.CompletionMode
  completions integer
  managedBy string
  manualSelector boolean
  maxFailedIndexes integer
  parallelism integer
  podFailurePolicy PodFailurePolicy
  podReplacementPolicy string
  selector LabelSelector
  successPolicy SuccessPolicy
  suspend boolean
  template! PodTemplateSpec
  ttlSecondsAfterFinished integer

PodFailurePolicy
  rules! []PodFailurePolicyRule

PodFailurePolicyRule
  action! string
  onExitCodes PodFailurePolicyOnExitCodesRequirement
  onPodConditions []PodFailurePolicyOnPodConditionsPattern

PodFailurePolicyOnExitCodesRequirement
  containerName string
  operator! string
  values! [set]integer

PodFailurePolicyOnPodConditionsPattern
  status string
  type! string

SuccessPolicy
  rules! []SuccessPolicyRule

SuccessPolicyRule
  succeededCount integer
  succeededIndexes string

JobStatus
  active integer
  completedIndexes string
  completionTime Time
  conditions [type]JobCondition atomic
  failed integer
  failedIndexes string
  ready integer
  startTime Time
  succeeded integer
  terminating integer
  uncountedTerminatedPods UncountedTerminatedPods

JobCondition
  lastProbeTime Time
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

UncountedTerminatedPods
  failed [set]string
  succeeded [set]string

CronJob  # Makes a Job at set times.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! CronJobSpec
  status CronJobStatus

CronJobSpec
  concurrencyPolicy string =Allow|Forbid|Replace go:v1.ConcurrencyPolicy
  failedJobsHistoryLimit integer
  jobTemplate! JobTemplateSpec
  schedule! string
  startingDeadlineSeconds int64
  successfulJobsHistoryLimit integer
  suspend boolean
  timeZone string

JobTemplateSpec
  metadata ObjectMeta
  spec JobSpec

CronJobStatus
  active []ObjectReference
  lastScheduleTime Time
  lastSuccessfulTime Time
"""
