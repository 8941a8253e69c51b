"""apps and batch, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.apps.v1

ReplicaSet
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ReplicaSetSpec
  status ReplicaSetStatus

ReplicaSetSpec
  minReadySeconds integer
  replicas integer
  selector! LabelSelector
  template PodTemplateSpec

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
  status! string
  type! string

Deployment
  apiVersion string
  kind string
  metadata ObjectMeta
  spec DeploymentSpec
  status DeploymentStatus

DeploymentSpec
  minReadySeconds integer
  paused boolean
  progressDeadlineSeconds integer
  replicas integer
  revisionHistoryLimit integer
  selector! LabelSelector
  strategy DeploymentStrategy retainKeys
  template! PodTemplateSpec

DeploymentStrategy
  rollingUpdate RollingUpdateDeployment
  type string

RollingUpdateDeployment
  maxSurge IntOrString
  maxUnavailable IntOrString

DeploymentStatus
  availableReplicas integer
  collisionCount integer
  conditions [type]DeploymentCondition
  observedGeneration int64
  readyReplicas integer
  replicas integer
  terminatingReplicas integer
  unavailableReplicas integer
  updatedReplicas integer

DeploymentCondition
  lastTransitionTime Time
  lastUpdateTime Time
  message string
  reason string
  status! string
  type! string

StatefulSet
  apiVersion string
  kind string
  metadata ObjectMeta
  spec StatefulSetSpec
  status StatefulSetStatus

StatefulSetSpec
  minReadySeconds integer
  ordinals StatefulSetOrdinals
  persistentVolumeClaimRetentionPolicy StatefulSetPersistentVolumeClaimRetentionPolicy
  podManagementPolicy string
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
  type string

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

DaemonSet
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
  type string

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

ControllerRevision
  apiVersion string
  kind string
  metadata ObjectMeta
  data object
  revision! int64

package io.k8s.api.batch.v1

Job
  apiVersion string
  kind string
  metadata ObjectMeta
  spec JobSpec
  status JobStatus

JobSpec
  activeDeadlineSeconds int64
  backoffLimit integer
  backoffLimitPerIndex integer
  completionMode string
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

CronJob
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! CronJobSpec
  status CronJobStatus

CronJobSpec
  concurrencyPolicy string
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
