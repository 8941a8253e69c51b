"""gateway.networking.k8s.io, in the notation of `notation.py`. Level: Gateway API 1.6, standard channel."""

TEXT = """\
package io.k8s.networking.gateway.v1

GatewayClass  # Who serves the Gateways of this class.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! GatewayClassSpec
  status GatewayClassStatus

GatewayClassSpec
  controllerName! string  # example.net/gateway-controller; cannot be changed.
  description string  # For people; at most 64 characters.
  parametersRef gateway.ParametersReference

gateway.ParametersReference
  group! string
  kind! string
  name! string
  namespace string

GatewayClassStatus
  conditions [type]Condition nopatch
  supportedFeatures [name]gateway.SupportedFeature nopatch

gateway.SupportedFeature
  name! string

Gateway  # A door: addresses and ports on which requests are taken for routes.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! GatewaySpec
  status GatewayStatus

GatewaySpec
  addresses []GatewaySpecAddress  # Asked for; none: the implementation chooses.
  allowedListeners AllowedListeners  # ListenerSets that may join.
  gatewayClassName! string
  infrastructure GatewayInfrastructure  # Labels and annotations for what is made for it.
  listeners! [name]Listener nopatch  # At least one.
  tls GatewayTLSConfig

GatewaySpecAddress
  type string  # IPAddress when not given.
  value string

AllowedListeners
  namespaces ListenerNamespaces

ListenerNamespaces
  from string =All|Selector|Same|None
  selector LabelSelector

GatewayInfrastructure
  annotations {}string
  labels {}string
  parametersRef gateway.LocalParametersReference

gateway.LocalParametersReference
  group! string
  kind! string
  name! string

Listener  # A port, and who may use it.
  allowedRoutes AllowedRoutes  # By default all routes of the Gateway's own namespace.
  hostname string  # Only requests for it; *. in front stands for one label or more. Not given: any.
  name! string
  port! integer
  protocol! string  # HTTP, HTTPS, TLS, TCP or UDP.
  tls ListenerTLSConfig

AllowedRoutes
  kinds []RouteGroupKind  # Not given: those that fit the protocol.
  namespaces RouteNamespaces

RouteGroupKind
  group string
  kind! string

RouteNamespaces
  from string =All|Selector|Same
  selector LabelSelector

ListenerTLSConfig
  certificateRefs []SecretObjectReference  # Secrets of type kubernetes.io/tls.
  mode string =Terminate|Passthrough
  options {}string

SecretObjectReference
  group string
  kind string
  name! string
  namespace string  # Another one than the Gateway's needs a ReferenceGrant there.

GatewayTLSConfig
  backend GatewayBackendTLS
  frontend FrontendTLSConfig

GatewayBackendTLS
  clientCertificateRef SecretObjectReference

FrontendTLSConfig
  default! FrontendTLS
  perPort [port]FrontendTLSPort nopatch

FrontendTLSPort
  port! integer
  tls! FrontendTLS

FrontendTLS
  validation FrontendTLSValidation

FrontendTLSValidation
  caCertificateRefs! []gateway.ObjectReference
  mode string =AllowValidOnly|AllowInsecureFallback

gateway.ObjectReference
  group! string
  kind! string
  name! string
  namespace string

GatewayStatus
  addresses []GatewayStatusAddress
  attachedListenerSets integer  # How many ListenerSets were accepted.
  conditions [type]Condition nopatch
  listeners [name]ListenerStatus nopatch

ListenerSet  # More listeners for a Gateway that lets them in.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! ListenerSetSpec
  status ListenerSetStatus

ListenerSetSpec
  listeners! [name]Listener nopatch  # Names need not differ from those of the Gateway and of other sets.
  parentRef! ParentGatewayReference

ParentGatewayReference
  group string
  kind string
  name! string
  namespace string  # The set's own when not given; the Gateway's allowedListeners say who may join.

ListenerSetStatus
  conditions [type]Condition nopatch
  listeners [name]ListenerStatus nopatch

GatewayStatusAddress
  type string
  value! string

ListenerStatus
  attachedRoutes! integer  # How many routes it takes.
  conditions! [type]Condition nopatch
  name! string
  supportedKinds []RouteGroupKind

HTTPRoute  # Which HTTP requests of a Gateway go to which Services.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! HTTPRouteSpec
  status RouteStatus

HTTPRouteSpec
  hostnames []string  # Not given: those of the listeners.
  parentRefs []gateway.ParentReference  # The Gateways, or listeners of them, that it wants to be part of.
  rules []HTTPRouteRule

gateway.ParentReference
  group string
  kind string
  name! string
  namespace string
  port integer
  sectionName string  # A listener's name.

HTTPRouteRule
  backendRefs []HTTPBackendRef
  filters []HTTPRouteFilter
  matches []HTTPRouteMatch  # Any one of them; not given: all paths.
  name string
  timeouts HTTPRouteTimeouts

HTTPRouteMatch  # All of it at once.
  headers [name]HTTPHeaderMatch nopatch
  method string =GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH
  path HTTPPathMatch
  queryParams [name]HTTPQueryParamMatch nopatch

HTTPPathMatch
  type string =Exact|PathPrefix|RegularExpression  # PathPrefix is by whole elements.
  value string

HTTPHeaderMatch
  name! string
  type string =Exact|RegularExpression
  value! string

HTTPQueryParamMatch
  name! string
  type string =Exact|RegularExpression
  value! string

HTTPBackendRef
  filters []HTTPRouteFilter
  group string
  kind string
  name! string
  namespace string  # Another one than the route's needs a ReferenceGrant there.
  port integer
  weight integer  # Its share of the requests, in proportion to the others' weights.

HTTPRouteFilter  # One of these, as its type says.
  cors HTTPCORSFilter
  extensionRef gateway.LocalParametersReference
  requestHeaderModifier HTTPHeaderFilter
  requestMirror HTTPRequestMirrorFilter
  requestRedirect HTTPRequestRedirectFilter
  responseHeaderModifier HTTPHeaderFilter
  type! string =RequestHeaderModifier|ResponseHeaderModifier|RequestMirror|RequestRedirect|URLRewrite|ExtensionRef|CORS
  urlRewrite HTTPURLRewriteFilter

HTTPCORSFilter
  allowCredentials boolean
  allowHeaders [set]string
  allowMethods [set]string
  allowOrigins [set]string
  exposeHeaders [set]string
  maxAge integer

HTTPHeaderFilter
  add [name]gateway.HTTPHeader nopatch
  remove [set]string
  set [name]gateway.HTTPHeader nopatch

gateway.HTTPHeader
  name! string
  value! string

HTTPRequestMirrorFilter
  backendRef! BackendObjectReference
  fraction gateway.Fraction
  percent integer

BackendObjectReference
  group string
  kind string
  name! string
  namespace string
  port integer

gateway.Fraction
  denominator integer
  numerator! integer

HTTPRequestRedirectFilter  # What is not given stays as the request has it.
  hostname string
  path HTTPPathModifier
  port integer
  scheme string =http|https
  statusCode integer

HTTPPathModifier
  replaceFullPath string
  replacePrefixMatch string
  type! string =ReplaceFullPath|ReplacePrefixMatch

HTTPURLRewriteFilter
  hostname string
  path HTTPPathModifier

HTTPRouteTimeouts  # Durations as 10s; 0s means none.
  backendRequest string
  request string

RouteStatus
  parents! []RouteParentStatus

RouteParentStatus
  conditions! [type]Condition nopatch
  controllerName! string
  parentRef! gateway.ParentReference

GRPCRoute  # Which gRPC requests of a Gateway go to which Services.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec GRPCRouteSpec
  status RouteStatus

GRPCRouteSpec
  hostnames []string
  parentRefs []gateway.ParentReference
  rules []GRPCRouteRule

GRPCRouteRule
  backendRefs []GRPCBackendRef
  filters []GRPCRouteFilter
  matches []GRPCRouteMatch
  name string

GRPCBackendRef
  filters []GRPCRouteFilter
  group string
  kind string
  name! string
  namespace string
  port integer
  weight integer

GRPCRouteFilter  # One of these, as its type says.
  extensionRef gateway.LocalParametersReference
  requestHeaderModifier HTTPHeaderFilter
  requestMirror HTTPRequestMirrorFilter
  responseHeaderModifier HTTPHeaderFilter
  type! string =RequestHeaderModifier|ResponseHeaderModifier|RequestMirror|ExtensionRef

GRPCRouteMatch
  headers [name]HTTPHeaderMatch nopatch
  method GRPCMethodMatch

GRPCMethodMatch
  method string
  service string
  type string =Exact|RegularExpression

TCPRoute  # Where a Gateway's TCP connections go.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! TCPRouteSpec
  status RouteStatus

TCPRouteSpec
  parentRefs []gateway.ParentReference
  rules! []gateway.RouteRule

gateway.RouteRule
  backendRefs! []gateway.BackendRef
  name string

gateway.BackendRef
  group string
  kind string
  name! string
  namespace string  # Another one than the route's needs a ReferenceGrant there.
  port integer
  weight integer  # Its share, in proportion to the others' weights.

UDPRoute  # Where a Gateway's UDP flows go.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! UDPRouteSpec
  status RouteStatus

UDPRouteSpec
  parentRefs []gateway.ParentReference
  rules! []gateway.RouteRule

TLSRoute  # Where a Gateway's TLS connections go, by the name that they ask for.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! TLSRouteSpec
  status RouteStatus

TLSRouteSpec
  hostnames! []string
  parentRefs []gateway.ParentReference
  rules! []gateway.RouteRule

BackendTLSPolicy  # How doors speak TLS with a Service's pods, and what these must prove.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec! BackendTLSPolicySpec
  status gateway.PolicyStatus

BackendTLSPolicySpec
  options {}string
  targetRefs! []gateway.LocalPolicyTargetReferenceWithSectionName  # Services of its own namespace.
  validation! BackendTLSPolicyValidation

gateway.LocalPolicyTargetReferenceWithSectionName
  group! string
  kind! string
  name! string
  sectionName string  # The name of a Service's port. Not given: all that no other policy names.

BackendTLSPolicyValidation
  caCertificateRefs []gateway.LocalObjectReference  # ConfigMaps with the certificates of authorities in ca.crt, as PEM.
  hostname! string  # The server name that is asked for; without subjectAltNames the certificate must have it.
  subjectAltNames []gateway.SubjectAltName  # The certificate must have one of these.
  wellKnownCACertificates string  # System: the authorities that the door's machine trusts.

gateway.LocalObjectReference
  group! string
  kind! string
  name! string

gateway.SubjectAltName
  hostname string
  type! string =Hostname|URI
  uri string

gateway.PolicyStatus
  ancestors! []gateway.PolicyAncestorStatus

gateway.PolicyAncestorStatus
  ancestorRef! gateway.ParentReference
  conditions! [type]Condition nopatch
  controllerName! string

ReferenceGrant  # Lets objects of other namespaces refer to those of its own.
  apiVersion string
  kind string
  metadata ObjectMeta
  spec ReferenceGrantSpec

ReferenceGrantSpec
  from! []ReferenceGrantFrom  # Any of these
  to! []ReferenceGrantTo  # may refer to any of these.

ReferenceGrantFrom
  group! string
  kind! string
  namespace! string

ReferenceGrantTo
  group! string
  kind! string
  name string  # Not given: all of this kind.
"""
