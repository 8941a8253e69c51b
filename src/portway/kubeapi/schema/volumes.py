"""Volumes of every kind, PersistentVolumes and their claims, in the notation of `notation.py`."""

TEXT = """\
package io.k8s.api.core.v1

Volume  # Something that containers can mount.
  awsElasticBlockStore AWSElasticBlockStoreVolumeSource
  azureDisk AzureDiskVolumeSource
  azureFile AzureFileVolumeSource
  cephfs CephFSVolumeSource
  cinder CinderVolumeSource
  configMap ConfigMapVolumeSource  # The keys of a ConfigMap as files.
  csi CSIVolumeSource
  downwardAPI DownwardAPIVolumeSource
  emptyDir EmptyDirVolumeSource  # A folder that lives as long as the pod.
  ephemeral EphemeralVolumeSource
  fc FCVolumeSource
  flexVolume FlexVolumeSource
  flocker FlockerVolumeSource
  gcePersistentDisk GCEPersistentDiskVolumeSource
  gitRepo GitRepoVolumeSource
  glusterfs GlusterfsVolumeSource
  hostPath HostPathVolumeSource  # A file or folder of the node.
  image ImageVolumeSource
  iscsi ISCSIVolumeSource
  name! string  # Unique in the pod.
  nfs NFSVolumeSource
  persistentVolumeClaim PersistentVolumeClaimVolumeSource  # Storage that outlives the pod.
  photonPersistentDisk PhotonPersistentDiskVolumeSource
  portworxVolume PortworxVolumeSource
  projected ProjectedVolumeSource  # Several sources in one folder.
  quobyte QuobyteVolumeSource
  rbd RBDVolumeSource
  scaleIO ScaleIOVolumeSource
  secret SecretVolumeSource  # The keys of a Secret as files.
  storageos StorageOSVolumeSource
  vsphereVolume VsphereVirtualDiskVolumeSource

AWSElasticBlockStoreVolumeSource
  fsType string
  partition integer
  readOnly boolean
  volumeID! string

AzureDiskVolumeSource
  cachingMode string
  diskName! string
  diskURI! string
  fsType string
  kind string
  readOnly boolean

AzureFileVolumeSource
  readOnly boolean
  secretName! string
  shareName! string

CephFSVolumeSource
  monitors! []string
  path string
  readOnly boolean
  secretFile string
  secretRef LocalObjectReference
  user string

CinderVolumeSource
  fsType string
  readOnly boolean
  secretRef LocalObjectReference
  volumeID! string

ConfigMapVolumeSource
  defaultMode integer
  items []KeyToPath
  name string
  optional boolean

KeyToPath
  key! string
  mode integer
  path! string

CSIVolumeSource
  driver! string
  fsType string
  nodePublishSecretRef LocalObjectReference
  readOnly boolean
  volumeAttributes {}string

DownwardAPIVolumeSource
  defaultMode integer
  items []DownwardAPIVolumeFile

DownwardAPIVolumeFile
  fieldRef ObjectFieldSelector
  mode integer
  path! string
  resourceFieldRef ResourceFieldSelector

EmptyDirVolumeSource
  medium string go:v1.StorageMedium
  sizeLimit Quantity

EphemeralVolumeSource
  volumeClaimTemplate PersistentVolumeClaimTemplate

PersistentVolumeClaimTemplate
  metadata ObjectMeta
  spec! PersistentVolumeClaimSpec

PersistentVolumeClaimSpec
  accessModes []string =ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod go:v1.PersistentVolumeAccessMode
  dataSource TypedLocalObjectReference
  dataSourceRef TypedObjectReference
  resources VolumeResourceRequirements
  selector LabelSelector
  storageClassName string
  volumeAttributesClassName string
  volumeMode string =Block|Filesystem go:v1.PersistentVolumeMode
  volumeName string

TypedLocalObjectReference atomic
  apiGroup string
  kind! string
  name! string

TypedObjectReference
  apiGroup string
  kind! string
  name! string
  namespace string

VolumeResourceRequirements
  limits {}Quantity
  requests {}Quantity

FCVolumeSource
  fsType string
  lun integer
  readOnly boolean
  targetWWNs []string
  wwids []string

FlexVolumeSource
  driver! string
  fsType string
  options {}string
  readOnly boolean
  secretRef LocalObjectReference

FlockerVolumeSource
  datasetName string
  datasetUUID string

GCEPersistentDiskVolumeSource
  fsType string
  partition integer
  pdName! string
  readOnly boolean

GitRepoVolumeSource
  directory string
  repository! string
  revision string

GlusterfsVolumeSource
  endpoints! string
  path! string
  readOnly boolean

HostPathVolumeSource
  path! string
  type string go:v1.HostPathType

ImageVolumeSource
  pullPolicy string
  reference string

ISCSIVolumeSource
  chapAuthDiscovery boolean
  chapAuthSession boolean
  fsType string
  initiatorName string
  iqn! string
  iscsiInterface string
  lun! integer
  portals []string
  readOnly boolean
  secretRef LocalObjectReference
  targetPortal! string

NFSVolumeSource
  path! string
  readOnly boolean
  server! string

PersistentVolumeClaimVolumeSource
  claimName! string
  readOnly boolean

PhotonPersistentDiskVolumeSource
  fsType string
  pdID! string

PortworxVolumeSource
  fsType string
  readOnly boolean
  volumeID! string

ProjectedVolumeSource
  defaultMode integer
  sources []VolumeProjection

VolumeProjection
  clusterTrustBundle ClusterTrustBundleProjection
  configMap ConfigMapProjection
  downwardAPI DownwardAPIProjection
  podCertificate PodCertificateProjection
  secret SecretProjection
  serviceAccountToken ServiceAccountTokenProjection

ClusterTrustBundleProjection
  labelSelector LabelSelector
  name string
  optional boolean
  path! string
  signerName string

ConfigMapProjection
  items []KeyToPath
  name string
  optional boolean

DownwardAPIProjection
  items []DownwardAPIVolumeFile

PodCertificateProjection
  certificateChainPath string
  credentialBundlePath string
  keyPath string
  keyType! string
  maxExpirationSeconds integer
  signerName! string
  userAnnotations {}string

SecretProjection
  items []KeyToPath
  name string
  optional boolean

ServiceAccountTokenProjection
  audience string
  expirationSeconds int64
  path! string

QuobyteVolumeSource
  group string
  readOnly boolean
  registry! string
  tenant string
  user string
  volume! string

RBDVolumeSource
  fsType string
  image! string
  keyring string
  monitors! []string
  pool string
  readOnly boolean
  secretRef LocalObjectReference
  user string

ScaleIOVolumeSource
  fsType string
  gateway! string
  protectionDomain string
  readOnly boolean
  secretRef! LocalObjectReference
  sslEnabled boolean
  storageMode string
  storagePool string
  system! string
  volumeName string

SecretVolumeSource
  defaultMode integer
  items []KeyToPath
  optional boolean
  secretName string

StorageOSVolumeSource
  fsType string
  readOnly boolean
  secretRef LocalObjectReference
  volumeName string
  volumeNamespace string

VsphereVirtualDiskVolumeSource
  fsType string
  storagePolicyID string
  storagePolicyName string
  volumePath! string

PersistentVolumeClaim  # A request for storage.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec PersistentVolumeClaimSpec
  status PersistentVolumeClaimStatus

PersistentVolumeClaimStatus
  accessModes []string
  allocatedResourceStatuses {}string
  allocatedResources {}Quantity
  capacity {}Quantity
  conditions [type]PersistentVolumeClaimCondition
  currentVolumeAttributesClassName string
  modifyVolumeStatus ModifyVolumeStatus
  phase string

PersistentVolumeClaimCondition
  lastProbeTime Time
  lastTransitionTime Time
  message string
  reason string
  status! string
  type! string

ModifyVolumeStatus
  status! string
  targetVolumeAttributesClassName string

PersistentVolume  # A piece of storage in the cluster.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec PersistentVolumeSpec
  status PersistentVolumeStatus

PersistentVolumeSpec
  accessModes []string =ReadWriteOnce|ReadOnlyMany|ReadWriteMany|ReadWriteOncePod go:v1.PersistentVolumeAccessMode
  awsElasticBlockStore AWSElasticBlockStoreVolumeSource
  azureDisk AzureDiskVolumeSource
  azureFile AzureFilePersistentVolumeSource
  capacity {}Quantity
  cephfs CephFSPersistentVolumeSource
  cinder CinderPersistentVolumeSource
  claimRef ObjectReference
  csi CSIPersistentVolumeSource
  fc FCVolumeSource
  flexVolume FlexPersistentVolumeSource
  flocker FlockerVolumeSource
  gcePersistentDisk GCEPersistentDiskVolumeSource
  glusterfs GlusterfsPersistentVolumeSource
  hostPath HostPathVolumeSource
  iscsi ISCSIPersistentVolumeSource
  local LocalVolumeSource
  mountOptions []string
  nfs NFSVolumeSource
  nodeAffinity VolumeNodeAffinity
  persistentVolumeReclaimPolicy string =Delete|Recycle|Retain go:v1.PersistentVolumeReclaimPolicy
  photonPersistentDisk PhotonPersistentDiskVolumeSource
  portworxVolume PortworxVolumeSource
  quobyte QuobyteVolumeSource
  rbd RBDPersistentVolumeSource
  scaleIO ScaleIOPersistentVolumeSource
  storageClassName string
  storageos StorageOSPersistentVolumeSource
  volumeAttributesClassName string
  volumeMode string =Block|Filesystem go:v1.PersistentVolumeMode
  vsphereVolume VsphereVirtualDiskVolumeSource

AzureFilePersistentVolumeSource
  readOnly boolean
  secretName! string
  secretNamespace string
  shareName! string

CephFSPersistentVolumeSource
  monitors! []string
  path string
  readOnly boolean
  secretFile string
  secretRef SecretReference
  user string

CinderPersistentVolumeSource
  fsType string
  readOnly boolean
  secretRef SecretReference
  volumeID! string

CSIPersistentVolumeSource
  controllerExpandSecretRef SecretReference
  controllerPublishSecretRef SecretReference
  driver! string
  fsType string
  nodeExpandSecretRef SecretReference
  nodePublishSecretRef SecretReference
  nodeStageSecretRef SecretReference
  readOnly boolean
  volumeAttributes {}string
  volumeHandle! string

FlexPersistentVolumeSource
  driver! string
  fsType string
  options {}string
  readOnly boolean
  secretRef SecretReference

GlusterfsPersistentVolumeSource
  endpoints! string
  endpointsNamespace string
  path! string
  readOnly boolean

ISCSIPersistentVolumeSource
  chapAuthDiscovery boolean
  chapAuthSession boolean
  fsType string
  initiatorName string
  iqn! string
  iscsiInterface string
  lun! integer
  portals []string
  readOnly boolean
  secretRef SecretReference
  targetPortal! string

LocalVolumeSource
  fsType string
  path! string

VolumeNodeAffinity
  required NodeSelector

RBDPersistentVolumeSource
  fsType string
  image! string
  keyring string
  monitors! []string
  pool string
  readOnly boolean
  secretRef SecretReference
  user string

ScaleIOPersistentVolumeSource
  fsType string
  gateway! string
  protectionDomain string
  readOnly boolean
  secretRef! SecretReference
  sslEnabled boolean
  storageMode string
  storagePool string
  system! string
  volumeName string

StorageOSPersistentVolumeSource
  fsType string
  readOnly boolean
  secretRef ObjectReference
  volumeName string
  volumeNamespace string

PersistentVolumeStatus
  lastPhaseTransitionTime Time
  message string
  phase string
  reason string
"""
