//! Every field of Istio 1.32's kinds on the road of a TCP connection, from its API reference.

use super::schema::{Field, Kind, Shape, must, no, yes};
use Shape::{Bool, Duration, Enum, Int, List, Map, Number, Object, Opaque, Text, Uint};

const TEXTS: Shape = List(&Text);
const OBJECT: Shape = Opaque("object");
const ARRAY: Shape = Opaque("array");
const TEXT_MAP: Shape = Map(&Text);
const NETWORKING: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const SECURITY: &[&str] = &["v1", "v1beta1"];
const TELEMETRY: &[&str] = &["v1", "v1alpha1"];

/// All kinds of Istio's API groups.
pub(crate) const KINDS: &[Kind] = &[
    kind("networking.istio.io", "Gateway", NETWORKING, Some(GATEWAY)),
    kind(
        "networking.istio.io",
        "VirtualService",
        NETWORKING,
        Some(VIRTUAL_SERVICE),
    ),
    kind(
        "networking.istio.io",
        "ServiceEntry",
        NETWORKING,
        Some(SERVICE_ENTRY),
    ),
    kind(
        "networking.istio.io",
        "DestinationRule",
        NETWORKING,
        Some(DESTINATION_RULE),
    ),
    kind("networking.istio.io", "Sidecar", NETWORKING, Some(SIDECAR)),
    kind(
        "networking.istio.io",
        "WorkloadEntry",
        NETWORKING,
        Some(WORKLOAD_ENTRY),
    ),
    kind("networking.istio.io", "WorkloadGroup", NETWORKING, None),
    kind("networking.istio.io", "EnvoyFilter", &["v1alpha3"], None),
    kind("networking.istio.io", "ProxyConfig", &["v1beta1"], None),
    kind(
        "security.istio.io",
        "PeerAuthentication",
        SECURITY,
        Some(PEER_AUTHENTICATION),
    ),
    kind(
        "security.istio.io",
        "AuthorizationPolicy",
        SECURITY,
        Some(AUTHORIZATION_POLICY),
    ),
    kind("security.istio.io", "RequestAuthentication", SECURITY, None),
    kind(
        "telemetry.istio.io",
        "Telemetry",
        TELEMETRY,
        Some(TELEMETRY_SPEC),
    ),
    kind("extensions.istio.io", "WasmPlugin", &["v1alpha1"], None),
    kind(
        "extensions.istio.io",
        "TrafficExtension",
        &["v1alpha1"],
        None,
    ),
];

const fn kind(
    group: &'static str,
    kind: &'static str,
    versions: &'static [&'static str],
    spec: Option<&'static [Field]>,
) -> Kind {
    Kind {
        group,
        kind,
        versions,
        spec,
    }
}

const PORT_NUMBER: Shape = Object(&[yes("number", Uint)]);
const MATCH_LABELS: Shape = Object(&[yes("matchLabels", TEXT_MAP)]);
const TLS_VERSION: Shape = Enum(&["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]);

const GATEWAY: &[Field] = &[
    yes("selector", TEXT_MAP),
    yes(
        "servers",
        List(&Object(&[
            must(
                "port",
                Object(&[
                    must("number", Uint),
                    must("protocol", Text),
                    must("name", Text),
                    no("targetPort", Uint),
                ]),
            ),
            yes("bind", Text),
            must("hosts", TEXTS),
            yes("name", Text),
            yes("tls", Object(SERVER_TLS)),
            no("defaultEndpoint", Text),
        ])),
    ),
];

const SERVER_TLS: &[Field] = &[
    yes(
        "mode",
        Enum(&[
            "PASSTHROUGH",
            "SIMPLE",
            "MUTUAL",
            "AUTO_PASSTHROUGH",
            "ISTIO_MUTUAL",
            "OPTIONAL_MUTUAL",
        ]),
    ),
    yes("credentialName", Text),
    yes("subjectAltNames", TEXTS),
    yes("verifyCertificateSpki", TEXTS),
    yes("verifyCertificateHash", TEXTS),
    yes("minProtocolVersion", TLS_VERSION),
    yes("maxProtocolVersion", TLS_VERSION),
    yes("cipherSuites", TEXTS),
    yes("httpsRedirect", Bool),
    yes("serverCertificate", Text),
    yes("privateKey", Text),
    yes("caCertificates", Text),
    no("caCrl", Text),
    yes("credentialNames", TEXTS),
    yes("caCertCredentialName", Text),
    no("tlsCertificates", ARRAY),
    yes("ecdhCurves", TEXTS),
    yes("insecureSkipVerify", Bool),
];

const ROUTE: Shape = List(&Object(&[
    must(
        "destination",
        Object(&[
            must("host", Text),
            yes("subset", Text),
            yes("port", PORT_NUMBER),
        ]),
    ),
    yes("weight", Int),
]));

const VIRTUAL_SERVICE: &[Field] = &[
    yes("hosts", TEXTS),
    yes("gateways", TEXTS),
    yes("exportTo", TEXTS),
    no("http", ARRAY),
    yes(
        "tls",
        List(&Object(&[
            must(
                "match",
                List(&Object(&[
                    must("sniHosts", TEXTS),
                    yes("destinationSubnets", TEXTS),
                    yes("port", Uint),
                    yes("sourceLabels", TEXT_MAP),
                    yes("gateways", TEXTS),
                    yes("sourceNamespace", Text),
                ])),
            ),
            yes("route", ROUTE),
        ])),
    ),
    yes(
        "tcp",
        List(&Object(&[
            yes(
                "match",
                List(&Object(&[
                    yes("destinationSubnets", TEXTS),
                    yes("port", Uint),
                    no("sourceSubnet", Text),
                    yes("sourceLabels", TEXT_MAP),
                    yes("gateways", TEXTS),
                    yes("sourceNamespace", Text),
                ])),
            ),
            yes("route", ROUTE),
        ])),
    ),
];

const SERVICE_ENTRY: &[Field] = &[
    must("hosts", TEXTS),
    yes("addresses", TEXTS),
    yes(
        "ports",
        List(&Object(&[
            must("number", Uint),
            yes("protocol", Text),
            must("name", Text),
            yes("targetPort", Uint),
        ])),
    ),
    yes("location", Enum(&["MESH_EXTERNAL", "MESH_INTERNAL"])),
    yes(
        "resolution",
        Enum(&["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]),
    ),
    yes("endpoints", List(&Object(WORKLOAD_ENTRY))),
    yes("workloadSelector", Object(&[yes("labels", TEXT_MAP)])),
    yes("exportTo", TEXTS),
    yes("subjectAltNames", TEXTS),
];

const WORKLOAD_ENTRY: &[Field] = &[
    yes("address", Text),
    yes("ports", Map(&Uint)),
    yes("labels", TEXT_MAP),
    no("network", Text),
    yes("locality", Text),
    yes("weight", Uint),
    yes("serviceAccount", Text),
];

pub(crate) const LOCALITY_LB: Shape = Object(&[
    yes("enabled", Bool),
    yes(
        "distribute",
        List(&Object(&[yes("from", Text), yes("to", Map(&Uint))])),
    ),
    yes(
        "failover",
        List(&Object(&[yes("from", Text), yes("to", Text)])),
    ),
    yes("failoverPriority", TEXTS),
]);

const LOAD_BALANCER: Shape = Object(&[
    yes(
        "simple",
        Enum(&[
            "UNSPECIFIED",
            "LEAST_CONN",
            "RANDOM",
            "PASSTHROUGH",
            "ROUND_ROBIN",
            "LEAST_REQUEST",
        ]),
    ),
    no("backendUtilization", OBJECT),
    // On TCP only the source's address is a key; with another, endpoints are taken at random.
    yes(
        "consistentHash",
        Object(&[
            yes("useSourceIp", Bool),
            yes("minimumRingSize", Uint),
            yes("ringHash", Object(&[yes("minimumRingSize", Uint)])),
            yes("maglev", Object(&[yes("tableSize", Uint)])),
            yes("httpHeaderName", Text),
            yes("httpQueryParameterName", Text),
            no("httpCookie", OBJECT),
        ]),
    ),
    yes("localityLbSetting", LOCALITY_LB),
    no("zoneAwareLbSetting", OBJECT),
    yes("warmupDurationSecs", Duration),
    yes(
        "warmup",
        Object(&[
            must("duration", Duration),
            yes("minimumPercent", Number),
            yes("aggression", Number),
        ]),
    ),
]);

const CONNECTION_POOL: Shape = Object(&[
    yes(
        "tcp",
        Object(&[
            yes("maxConnections", Int),
            yes("connectTimeout", Duration),
            yes("maxConnectionDuration", Duration),
            yes("idleTimeout", Duration),
            yes(
                "tcpKeepalive",
                Object(&[
                    yes("probes", Uint),
                    yes("time", Duration),
                    yes("interval", Duration),
                ]),
            ),
        ]),
    ),
    // Limits of the whole cluster, and what HTTP it speaks; the rest has no effect on TCP.
    yes(
        "http",
        Object(&[
            yes("http1MaxPendingRequests", Int),
            yes("http2MaxRequests", Int),
            yes("maxRequestsPerConnection", Int),
            yes("maxRetries", Int),
            yes("idleTimeout", Duration),
            yes(
                "h2UpgradePolicy",
                Enum(&["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]),
            ),
            yes("useClientProtocol", Bool),
            yes("maxConcurrentStreams", Int),
            yes(
                "http2KeepAlive",
                Object(&[yes("interval", Duration), yes("timeout", Duration)]),
            ),
        ]),
    ),
]);

const OUTLIER_DETECTION: Shape = Object(&[
    no("consecutiveErrors", Int),
    yes("splitExternalLocalOriginErrors", Bool),
    yes("consecutiveLocalOriginFailures", Uint),
    yes("consecutiveGatewayErrors", Uint),
    yes("consecutive5xxErrors", Uint),
    yes("interval", Duration),
    yes("baseEjectionTime", Duration),
    yes("maxEjectionPercent", Int),
    yes("minHealthPercent", Int),
    // Without effect on TCP.
    yes("outlierDetectionHttpErrorCodes", List(&Uint)),
]);

const CLIENT_TLS: Shape = Object(&[
    yes(
        "mode",
        Enum(&["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]),
    ),
    yes("credentialName", Text),
    yes("subjectAltNames", TEXTS),
    yes("sni", Text),
    yes("clientCertificate", Text),
    yes("privateKey", Text),
    yes("caCertificates", Text),
    no("caCrl", Text),
    yes("insecureSkipVerify", Bool),
]);

const TRAFFIC_POLICY: Shape = Object(&[
    yes("loadBalancer", LOAD_BALANCER),
    yes("connectionPool", CONNECTION_POOL),
    yes("outlierDetection", OUTLIER_DETECTION),
    yes("tls", CLIENT_TLS),
    yes(
        "portLevelSettings",
        List(&Object(&[
            yes("port", PORT_NUMBER),
            yes("loadBalancer", LOAD_BALANCER),
            yes("connectionPool", CONNECTION_POOL),
            yes("outlierDetection", OUTLIER_DETECTION),
            yes("tls", CLIENT_TLS),
        ])),
    ),
    yes(
        "tunnel",
        Object(&[
            yes("protocol", Text),
            must("targetHost", Text),
            must("targetPort", Uint),
        ]),
    ),
    yes(
        "proxyProtocol",
        Object(&[yes("version", Enum(&["V1", "V2"]))]),
    ),
    yes(
        "retryBudget",
        Object(&[
            yes("percent", Number),
            yes("minRetryConcurrency", Uint),
            no("budgetInterval", Duration),
        ]),
    ),
]);

const DESTINATION_RULE: &[Field] = &[
    must("host", Text),
    yes("trafficPolicy", TRAFFIC_POLICY),
    yes(
        "subsets",
        List(&Object(&[
            must("name", Text),
            yes("labels", TEXT_MAP),
            yes("trafficPolicy", TRAFFIC_POLICY),
        ])),
    ),
    yes("exportTo", TEXTS),
    yes("workloadSelector", MATCH_LABELS),
];

const SIDECAR_PORT: Shape = Object(&[
    yes("number", Uint),
    yes("protocol", Text),
    yes("name", Text),
    no("targetPort", Uint),
]);

const CAPTURE_MODE: Shape = Enum(&["DEFAULT", "IPTABLES", "NONE"]);

const SIDECAR: &[Field] = &[
    yes("workloadSelector", Object(&[yes("labels", TEXT_MAP)])),
    yes(
        "ingress",
        List(&Object(&[
            must("port", SIDECAR_PORT),
            yes("bind", Text),
            yes("captureMode", CAPTURE_MODE),
            yes("defaultEndpoint", Text),
            no("tls", OBJECT),
            yes("connectionPool", CONNECTION_POOL),
        ])),
    ),
    yes("inboundConnectionPool", CONNECTION_POOL),
    yes(
        "egress",
        List(&Object(&[
            must("hosts", TEXTS),
            yes("port", SIDECAR_PORT),
            yes("bind", Text),
            yes("captureMode", CAPTURE_MODE),
        ])),
    ),
    yes(
        "outboundTrafficPolicy",
        Object(&[
            yes("mode", Enum(&["REGISTRY_ONLY", "ALLOW_ANY"])),
            no("egressProxy", OBJECT),
        ]),
    ),
];

const MTLS: Shape = Object(&[yes(
    "mode",
    Enum(&["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]),
)]);

const PEER_AUTHENTICATION: &[Field] = &[
    yes("selector", MATCH_LABELS),
    yes("mtls", MTLS),
    yes("portLevelMtls", Map(&MTLS)),
];

const SOURCE: Shape = Object(&[
    yes("principals", TEXTS),
    yes("notPrincipals", TEXTS),
    yes("requestPrincipals", TEXTS),
    yes("notRequestPrincipals", TEXTS),
    yes("namespaces", TEXTS),
    yes("notNamespaces", TEXTS),
    yes("serviceAccounts", TEXTS),
    yes("notServiceAccounts", TEXTS),
    yes("trustDomains", TEXTS),
    yes("notTrustDomains", TEXTS),
    yes("ipBlocks", TEXTS),
    yes("notIpBlocks", TEXTS),
    yes("remoteIpBlocks", TEXTS),
    yes("notRemoteIpBlocks", TEXTS),
]);

const OPERATION: Shape = Object(&[
    yes("ports", TEXTS),
    yes("notPorts", TEXTS),
    yes("hosts", TEXTS),
    yes("notHosts", TEXTS),
    yes("methods", TEXTS),
    yes("notMethods", TEXTS),
    yes("paths", TEXTS),
    yes("notPaths", TEXTS),
]);

const TARGET_REF: Shape = Object(&[
    yes("group", Text),
    yes("kind", Text),
    yes("name", Text),
    yes("namespace", Text),
]);

const AUTHORIZATION_POLICY: &[Field] = &[
    yes("selector", MATCH_LABELS),
    yes("targetRef", TARGET_REF),
    yes("targetRefs", List(&TARGET_REF)),
    yes("action", Enum(&["ALLOW", "DENY", "AUDIT", "CUSTOM"])),
    yes("provider", Object(&[yes("name", Text)])),
    yes(
        "rules",
        List(&Object(&[
            yes("from", List(&Object(&[yes("source", SOURCE)]))),
            yes("to", List(&Object(&[yes("operation", OPERATION)]))),
            yes(
                "when",
                List(&Object(&[
                    must("key", Text),
                    yes("values", TEXTS),
                    yes("notValues", TEXTS),
                ])),
            ),
        ])),
    ),
];

const WORKLOAD_MODE: Shape = Enum(&["CLIENT_AND_SERVER", "CLIENT", "SERVER"]);
const PROVIDERS: Shape = List(&Object(&[must("name", Text)]));

/// Traces are of HTTP alone.
const TRACING: &[Field] = &[
    yes("match", Object(&[yes("mode", WORKLOAD_MODE)])),
    yes("providers", PROVIDERS),
    yes("randomSamplingPercentage", Number),
    yes("disableSpanReporting", Bool),
    yes("disableContextPropagation", Bool),
    yes("useRequestIdForTraceSampling", Bool),
    yes("enableIstioTags", Bool),
    yes(
        "customTags",
        Map(&Object(&[
            yes("literal", Object(&[yes("value", Text)])),
            yes(
                "environment",
                Object(&[yes("name", Text), yes("defaultValue", Text)]),
            ),
            yes(
                "header",
                Object(&[yes("name", Text), yes("defaultValue", Text)]),
            ),
            yes("formatter", Object(&[yes("value", Text)])),
        ])),
    ),
];

/// Metrics are made by filters that a stock Envoy lacks; they decide nothing.
const METRICS: &[Field] = &[
    yes("providers", PROVIDERS),
    yes("reportingInterval", Duration),
    yes(
        "overrides",
        List(&Object(&[
            yes(
                "match",
                Object(&[
                    yes(
                        "metric",
                        Enum(&[
                            "ALL_METRICS",
                            "REQUEST_COUNT",
                            "REQUEST_DURATION",
                            "REQUEST_SIZE",
                            "RESPONSE_SIZE",
                            "TCP_OPENED_CONNECTIONS",
                            "TCP_CLOSED_CONNECTIONS",
                            "TCP_SENT_BYTES",
                            "TCP_RECEIVED_BYTES",
                            "GRPC_REQUEST_MESSAGES",
                            "GRPC_RESPONSE_MESSAGES",
                        ]),
                    ),
                    yes("customMetric", Text),
                    yes("mode", WORKLOAD_MODE),
                ]),
            ),
            yes("disabled", Bool),
            yes(
                "tagOverrides",
                Map(&Object(&[
                    yes("operation", Enum(&["UPSERT", "REMOVE"])),
                    yes("value", Text),
                ])),
            ),
        ])),
    ),
];

const TELEMETRY_SPEC: &[Field] = &[
    yes("selector", MATCH_LABELS),
    yes("targetRef", TARGET_REF),
    yes("targetRefs", List(&TARGET_REF)),
    yes("tracing", List(&Object(TRACING))),
    yes("metrics", List(&Object(METRICS))),
    yes(
        "accessLogging",
        List(&Object(&[
            yes("match", Object(&[yes("mode", WORKLOAD_MODE)])),
            yes("providers", PROVIDERS),
            yes("disabled", Bool),
            yes("filter", Object(&[yes("expression", Text)])),
        ])),
    ),
];
