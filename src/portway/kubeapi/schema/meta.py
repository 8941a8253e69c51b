"""ObjectMeta and what every document shares, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.apimachinery.pkg.apis.meta.v1

ObjectMeta
  annotations {}string
  creationTimestamp Time
  deletionGracePeriodSeconds int64
  deletionTimestamp Time
  finalizers [set]string merge
  generateName string
  generation int64
  labels {}string
  managedFields []ManagedFieldsEntry
  name string
  namespace string
  ownerReferences [uid]OwnerReference
  resourceVersion string
  selfLink string
  uid string

ManagedFieldsEntry
  apiVersion string
  fieldsType string
  fieldsV1 object
  manager string
  operation string
  subresource string
  time Time

OwnerReference atomic
  apiVersion! string
  blockOwnerDeletion boolean
  controller boolean
  kind! string
  name! string
  uid! string

LabelSelector atomic
  matchExpressions []LabelSelectorRequirement
  matchLabels {}string

LabelSelectorRequirement
  key! string
  operator! string
  values []string

Condition
  lastTransitionTime! Time
  message! string
  observedGeneration int64
  reason! string
  status! string
  type! string

DeleteOptions
  apiVersion string
  dryRun []string
  gracePeriodSeconds int64
  ignoreStoreReadErrorWithClusterBreakingPotential boolean
  kind string
  orphanDependents boolean
  preconditions Preconditions
  propagationPolicy string

Preconditions
  resourceVersion string
  uid string

FieldSelectorRequirement
  key! string
  operator! string
  values []string

ListMeta
  continue string
  remainingItemCount int64
  resourceVersion string
  selfLink string
  shardInfo ShardInfo

ShardInfo
  selector! string
"""
