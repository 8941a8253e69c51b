"""rbac, authentication, authorization, storage, coordination, events, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.events.v1

events.Event  # Something that happened to an object.
  apiVersion string
  kind string
  metadata ObjectMeta
  action string
  deprecatedCount integer
  deprecatedFirstTimestamp Time
  deprecatedLastTimestamp Time
  deprecatedSource EventSource
  eventTime! MicroTime
  note string
  reason string
  regarding ObjectReference  # The object it is about.
  related ObjectReference
  reportingController string
  reportingInstance string
  series events.EventSeries
  type string

events.EventSeries
  count! integer
  lastObservedTime! MicroTime

package io.k8s.api.coordination.v1

Lease  # Who holds a role, and until when.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec LeaseSpec

LeaseSpec
  acquireTime MicroTime
  holderIdentity string
  leaseDurationSeconds integer
  leaseTransitions integer
  preferredHolder string
  renewTime MicroTime
  strategy string

package io.k8s.api.rbac.v1

Role  # What may be done in one namespace.
  apiVersion string
  kind string
  metadata ObjectMeta
  rules []PolicyRule

PolicyRule
  apiGroups []string
  nonResourceURLs []string
  resourceNames []string
  resources []string
  verbs! []string

RoleBinding  # Who has a role in one namespace.
  apiVersion string
  kind string
  metadata ObjectMeta
  roleRef! RoleRef
  subjects []Subject

RoleRef atomic
  apiGroup string
  kind! string
  name! string

Subject atomic
  apiGroup string
  kind! string
  name! string
  namespace string

ClusterRole  # What may be done in the whole cluster.
  apiVersion string
  kind string
  metadata ObjectMeta
  aggregationRule AggregationRule
  rules []PolicyRule

AggregationRule
  clusterRoleSelectors []LabelSelector

ClusterRoleBinding  # Who has a role in the whole cluster.
  apiVersion string
  kind string
  metadata ObjectMeta
  roleRef! RoleRef
  subjects []Subject

package io.k8s.api.storage.v1

StorageClass  # A kind of storage that claims can ask for.
  apiVersion string
  kind string
  metadata ObjectMeta
  allowVolumeExpansion boolean
  allowedTopologies []TopologySelectorTerm
  mountOptions []string
  parameters {}string
  provisioner! string
  reclaimPolicy string
  volumeBindingMode string

package io.k8s.api.authentication.v1

SelfSubjectReview  # Tells who you are.
  apiVersion string
  kind string
  metadata ObjectMeta
  status SelfSubjectReviewStatus

SelfSubjectReviewStatus
  userInfo UserInfo

UserInfo
  extra object
  groups []string
  uid string
  username string

package io.k8s.api.authorization.v1

SelfSubjectAccessReview  # Tells whether you may do something.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! SelfSubjectAccessReviewSpec
  status SubjectAccessReviewStatus

SelfSubjectAccessReviewSpec
  nonResourceAttributes NonResourceAttributes
  resourceAttributes ResourceAttributes

NonResourceAttributes
  path string
  verb string

ResourceAttributes
  fieldSelector FieldSelectorAttributes
  group string
  labelSelector LabelSelectorAttributes
  name string
  namespace string
  resource string
  subresource string
  verb string
  version string

FieldSelectorAttributes
  rawSelector string
  requirements []FieldSelectorRequirement

LabelSelectorAttributes
  rawSelector string
  requirements []LabelSelectorRequirement

SubjectAccessReviewStatus
  allowed! boolean
  denied boolean
  evaluationError string
  reason string
"""
