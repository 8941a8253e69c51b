"""ObjectMeta and what every document shares, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.apimachinery.pkg.apis.meta.v1

ObjectMeta  # What every stored object has: its names, its labels and who owns it.
  annotations {}string  # Notes for tools and people; nothing is selected by them.
  creationTimestamp Time  # When the server created it. Set by the server.
  deletionGracePeriodSeconds int64  # How long deletion may take, once asked for. Set by the server.
  deletionTimestamp Time  # When deletion was asked for, plus the grace period. Set by the server.
  finalizers [set]string merge  # Whoever is named here has work to do before the object may go.
  generateName string  # A prefix from which the server makes a unique name when there is none.
  generation int64  # Counts changes of what is wanted (not of status). Set by the server.
  labels {}string  # Names and values by which selectors find it.
  managedFields []ManagedFieldsEntry  # Who set which fields; kept by the server.
  name string  # Unique among its kind in its namespace; cannot be changed.
  namespace string  # Where it lives; empty for what belongs to the whole cluster.
  ownerReferences [uid]OwnerReference  # Objects it belongs to; when all of them are gone, so is it.
  resourceVersion string  # Changes with every change; guards updates and starts watches.
  selfLink string  # No longer filled in.
  uid string go:types.UID  # Tells it apart from any object that had its name before. Set by the server.

ManagedFieldsEntry
  apiVersion string
  fieldsType string
  fieldsV1 object
  manager string
  operation string go:v1.ManagedFieldsOperationType
  subresource string
  time Time

OwnerReference atomic  # An object that another one belongs to.
  apiVersion! string
  blockOwnerDeletion boolean  # Foreground deletion of the owner waits for this object.
  controller boolean  # This owner manages the object; at most one does.
  kind! string
  name! string
  uid! string go:types.UID

LabelSelector atomic  # Chooses objects by labels; every condition must hold, and an empty one chooses all.
  matchExpressions []LabelSelectorRequirement  # Conditions on single labels.
  matchLabels {}string  # Labels that must have exactly these values.

LabelSelectorRequirement  # One condition on one label.
  key! string  # The label's name.
  operator! string =In|NotIn|Exists|DoesNotExist go:v1.LabelSelectorOperator
  values []string  # For In and NotIn, the values; none for Exists and DoesNotExist.

Condition  # One thing that is true, false or unknown about an object, and since when.
  lastTransitionTime! Time
  message! string
  observedGeneration int64
  reason! string
  status! string =True|False|Unknown go:v1.ConditionStatus
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
  uid string go:types.UID

FieldSelectorRequirement
  key! string
  operator! string
  values []string

ListMeta  # What every list has: the version it was read at and whether there is more.
  continue string  # A token to ask for the next part with.
  remainingItemCount int64  # How many come after this part.
  resourceVersion string  # Start a watch from here to miss nothing.
  selfLink string
  shardInfo ShardInfo

ShardInfo
  selector! string
"""
