//! Every field of Istio 1.32's mesh configuration.

use crate::api::{
    schema::{
        Field,
        Shape::{self, Bool, Duration, Enum, Free, Int, List, Map, Object, Text},
        no, yes,
    },
    tables,
};

const TEXTS: Shape = List(&Text);
const TLS: &[Field] = &[
    yes(
        "minProtocolVersion",
        Enum(&["TLS_AUTO", "TLSV1_2", "TLSV1_3"]),
    ),
    yes("ecdhCurves", TEXTS),
    yes("cipherSuites", TEXTS),
];

/// Mesh-wide fields: those that decide something on a TCP connection's way, those that decide nothing
/// there (read and left alone), and those that would and are not supported.
pub(super) const FIELDS: &[Field] = &[
    yes("accessLogFile", Text),
    yes("accessLogFormat", Text),
    yes("accessLogEncoding", Enum(&["TEXT", "JSON"])),
    yes("disableEnvoyListenerLog", Bool),
    yes(
        "outboundTrafficPolicy",
        Object(&[
            yes(
                "mode",
                Enum(&["REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS"]),
            ),
            no("tls", Free),
        ]),
    ),
    yes(
        "inboundTrafficPolicy",
        Object(&[yes("mode", Enum(&["PASSTHROUGH", "LOCALHOST"]))]),
    ),
    yes("trustDomain", Text),
    yes("trustDomainAliases", TEXTS),
    yes("rootNamespace", Text),
    yes("enableAutoMtls", Bool),
    yes("meshMTLS", Object(TLS)),
    yes("tlsDefaults", Object(TLS)),
    yes("defaultServiceExportTo", TEXTS),
    yes("defaultVirtualServiceExportTo", TEXTS),
    yes("defaultDestinationRuleExportTo", TEXTS),
    yes("connectTimeout", Duration),
    yes("protocolDetectionTimeout", Duration),
    yes("dnsRefreshRate", Duration),
    yes(
        "tcpKeepalive",
        Object(&[
            yes("probes", Int),
            yes("time", Duration),
            yes("interval", Duration),
        ]),
    ),
    yes("localityLbSetting", tables::LOCALITY_LB),
    yes(
        "defaultProviders",
        Object(&[
            yes("accessLogging", TEXTS),
            yes("metrics", TEXTS),
            yes("tracing", TEXTS),
        ]),
    ),
    yes("extensionProviders", List(&Object(PROVIDER))),
    // Without effect on TCP.
    yes("enablePrometheusMerge", Bool),
    yes("enableTracing", Bool),
    yes("ingressControllerMode", Text),
    yes("ingressClass", Text),
    yes("ingressService", Text),
    yes("ingressSelector", Text),
    yes("configSources", Free),
    yes("pathNormalization", Free),
    yes("defaultHttpRetryPolicy", Free),
    yes("defaultInboundHttpRetryPolicy", Free),
    yes("serviceSettings", Free),
    yes("hboneIdleTimeout", Duration),
    yes("defaultConfig", Object(PROXY)),
    // With effect, and not supported.
    no("discoverySelectors", Free),
    no("zoneAwareLbSetting", Free),
    no("h2UpgradePolicy", Text),
    no("caCertificates", Free),
    no("ca", Free),
    no("certificates", Free),
    no("enableEnvoyAccessLogService", Bool),
    no("proxyListenPort", Int),
    no("proxyInboundListenPort", Int),
    no("proxyHttpPort", Int),
    // An own log format can show these names (`%UPSTREAM_CLUSTER%`).
    no("inboundClusterStatName", Text),
    no("outboundClusterStatName", Text),
    no("verifyCertificateAtClient", Bool),
    no("defaultTrafficPolicy", Free),
    no("serviceScopeConfigs", Free),
    no("serviceEntryVisibility", Free),
];

/// A provider of logs, traces, metrics or authorization. Only those that a TCP connection meets are
/// looked into; others are refused where something that it meets names them.
const PROVIDER: &[Field] = &[
    yes("name", Text),
    yes(
        "envoyFileAccessLog",
        Object(&[
            yes("path", Text),
            yes(
                "logFormat",
                Object(&[yes("text", Text), yes("labels", Map(&Free))]),
            ),
            yes("omitEmptyValues", Bool),
        ]),
    ),
    yes(
        "envoyExtAuthzGrpc",
        Object(&[
            yes("service", Text),
            yes("port", Int),
            yes("timeout", Duration),
            yes("failOpen", Bool),
            yes("clearRouteCache", Bool),
            no("statusOnError", Text),
            yes("includeRequestBodyInCheck", Free),
        ]),
    ),
    yes(
        "envoyExtAuthzHttp",
        Object(&[
            yes("service", Text),
            yes("port", Int),
            yes("timeout", Duration),
            yes("pathPrefix", Text),
            yes("failOpen", Bool),
            yes("clearRouteCache", Bool),
            no("statusOnError", Text),
            yes("includeHeadersInCheck", TEXTS),
            yes("includeRequestHeadersInCheck", TEXTS),
            yes("includeAdditionalHeadersInCheck", Map(&Text)),
            yes("includeRequestBodyInCheck", Free),
            yes("headersToUpstreamOnAllow", TEXTS),
            yes("headersToDownstreamOnDeny", TEXTS),
            yes("headersToDownstreamOnAllow", TEXTS),
        ]),
    ),
    yes("zipkin", Free),
    yes("lightstep", Free),
    yes("datadog", Free),
    yes("stackdriver", Free),
    yes("opencensus", Free),
    yes("skywalking", Free),
    yes("opentelemetry", Free),
    yes("prometheus", Free),
    yes("envoyHttpAls", Free),
    yes("envoyTcpAls", Free),
    yes("envoyOtelAls", Free),
    no("sds", Free),
];

/// `defaultConfig`: how proxies are started, and what they say of themselves.
const PROXY: &[Field] = &[
    yes("discoveryAddress", Text),
    yes("tracing", Free),
    yes("tracingServiceName", Text),
    yes("zipkinAddress", Text),
    yes("serviceCluster", Text),
    yes("meshId", Text),
    yes("holdApplicationUntilProxyStarts", Bool),
    yes("drainDuration", Duration),
    yes("parentShutdownDuration", Duration),
    yes("terminationDrainDuration", Duration),
    yes("concurrency", Free),
    yes("image", Free),
    yes("proxyMetadata", Map(&Text)),
    yes("proxyAdminPort", Int),
    yes("statusPort", Int),
    yes("statNameLength", Int),
    yes("extraStatTags", TEXTS),
    yes("proxyStatsMatcher", Free),
    yes("statsdUdpAddress", Text),
    yes("statsCompression", Bool),
    yes("envoyMetricsService", Free),
    yes("readinessProbe", Free),
    yes("proxyHeaders", Free),
    yes("controlPlaneAuthPolicy", Text),
    yes("configPath", Text),
    yes("binaryPath", Text),
    yes(
        "gatewayTopology",
        Object(&[
            yes("numTrustedProxies", Int),
            yes("forwardClientCertDetails", Text),
            no("proxyProtocol", Free),
        ]),
    ),
    // How soon logs are written, not what is.
    yes("fileFlushInterval", Duration),
    yes("fileFlushMinSizeKb", Int),
    yes("interceptionMode", Enum(&["REDIRECT", "TPROXY", "NONE"])),
    no("connectionSettings", Free),
    no("runtimeValues", Free),
    no("envoyAccessLogService", Free),
    no("customConfigFile", Text),
    no("proxyBootstrapTemplatePath", Text),
    no("caCertificatesPem", TEXTS),
    no("privateKeyProvider", Free),
    no("sds", Free),
];
