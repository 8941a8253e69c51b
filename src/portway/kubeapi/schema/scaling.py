"""autoscaling, policy and scheduling.k8s.io, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.autoscaling.v1

Scale  # The number of replicas of something that has them.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ScaleSpec
  status ScaleStatus

ScaleSpec
  replicas integer

ScaleStatus
  replicas! integer
  selector string

package io.k8s.api.autoscaling.v2

HorizontalPodAutoscaler  # Changes the number of replicas as some measure rises and falls.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! HorizontalPodAutoscalerSpec
  status HorizontalPodAutoscalerStatus

HorizontalPodAutoscalerSpec
  behavior HorizontalPodAutoscalerBehavior
  maxReplicas! integer
  metrics []MetricSpec
  minReplicas integer
  scaleTargetRef! CrossVersionObjectReference

HorizontalPodAutoscalerBehavior
  scaleDown HPAScalingRules
  scaleUp HPAScalingRules

HPAScalingRules
  policies []HPAScalingPolicy
  selectPolicy string
  stabilizationWindowSeconds integer
  tolerance Quantity

HPAScalingPolicy
  periodSeconds! integer
  type! string
  value! integer

MetricSpec
  containerResource ContainerResourceMetricSource
  external ExternalMetricSource
  object ObjectMetricSource
  pods PodsMetricSource
  resource ResourceMetricSource
  type! string

ContainerResourceMetricSource
  container! string
  name! string
  target! MetricTarget

MetricTarget
  averageUtilization integer
  averageValue Quantity
  type! string
  value Quantity

ExternalMetricSource
  metric! MetricIdentifier
  target! MetricTarget

MetricIdentifier
  name! string
  selector LabelSelector

ObjectMetricSource
  describedObject! CrossVersionObjectReference
  metric! MetricIdentifier
  target! MetricTarget

CrossVersionObjectReference
  apiVersion string
  kind! string
  name! string

PodsMetricSource
  metric! MetricIdentifier
  target! MetricTarget

ResourceMetricSource
  name! string
  target! MetricTarget

HorizontalPodAutoscalerStatus
  conditions [type]HorizontalPodAutoscalerCondition
  currentMetrics []MetricStatus
  currentReplicas integer
  desiredReplicas! integer
  lastScaleTime Time
  observedGeneration int64

HorizontalPodAutoscalerCondition
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

MetricStatus
  containerResource ContainerResourceMetricStatus
  external ExternalMetricStatus
  object ObjectMetricStatus
  pods PodsMetricStatus
  resource ResourceMetricStatus
  type! string

ContainerResourceMetricStatus
  container! string
  current! MetricValueStatus
  name! string

MetricValueStatus
  averageUtilization integer
  averageValue Quantity
  value Quantity

ExternalMetricStatus
  current! MetricValueStatus
  metric! MetricIdentifier

ObjectMetricStatus
  current! MetricValueStatus
  describedObject! CrossVersionObjectReference
  metric! MetricIdentifier

PodsMetricStatus
  current! MetricValueStatus
  metric! MetricIdentifier

ResourceMetricStatus
  current! MetricValueStatus
  name! string

package io.k8s.api.policy.v1

PodDisruptionBudget  # How many of some pods may be taken away at a time.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec PodDisruptionBudgetSpec
  status PodDisruptionBudgetStatus

PodDisruptionBudgetSpec
  maxUnavailable IntOrString
  minAvailable IntOrString
  selector LabelSelector replace
  unhealthyPodEvictionPolicy string

PodDisruptionBudgetStatus
  conditions [type]Condition
  currentHealthy integer
  desiredHealthy integer
  disruptedPods {}Time
  disruptionsAllowed integer
  expectedPods integer
  observedGeneration int64

Eviction  # Asks for a pod to go, if its budget allows.
  apiVersion string
  kind string
  metadata ObjectMeta
  deleteOptions DeleteOptions

package io.k8s.api.scheduling.v1

PriorityClass  # A name for a priority.
  apiVersion string
  kind string
  metadata ObjectMeta
  description string
  globalDefault boolean
  preemptionPolicy string =Never|PreemptLowerPriority go:v1.PreemptionPolicy
  value integer
"""
