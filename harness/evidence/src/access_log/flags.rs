//! Response flags by their long names.

/// `%RESPONSE_FLAGS_LONG%` beside `%RESPONSE_FLAGS%` (Envoy, `envoy/stream_info/stream_info.h`).
const LONG: [(&str, &str); 30] = [
    ("DelayInjected", "DI"),
    ("DnsResolutionFailed", "DF"),
    ("DownstreamConnectionTermination", "DC"),
    ("DownstreamProtocolError", "DPE"),
    ("DownstreamRemoteReset", "DR"),
    ("DropOverload", "DO"),
    ("DurationTimeout", "DT"),
    ("FailedLocalHealthCheck", "LH"),
    ("FaultInjected", "FI"),
    ("InvalidEnvoyRequestHeaders", "IH"),
    ("LocalReset", "LR"),
    ("NoClusterFound", "NC"),
    ("NoFilterConfigFound", "NFCF"),
    ("NoHealthyUpstream", "UH"),
    ("NoRouteFound", "NR"),
    ("OverloadManagerTerminated", "OM"),
    ("RateLimited", "RL"),
    ("RateLimitServiceError", "RLSE"),
    ("ResponseFromCacheFilter", "RFCF"),
    ("StreamIdleTimeout", "SI"),
    ("UnauthorizedExternalService", "UAEX"),
    ("UnconditionalDropOverload", "UDO"),
    ("UpstreamConnectionFailure", "UF"),
    ("UpstreamConnectionTermination", "UC"),
    ("UpstreamMaxStreamDurationReached", "UMSDR"),
    ("UpstreamOverflow", "UO"),
    ("UpstreamProtocolError", "UPE"),
    ("UpstreamRemoteReset", "UR"),
    ("UpstreamRequestTimeout", "UT"),
    ("UpstreamRetryLimitExceeded", "URX"),
];

/// The short name of a flag; a name that is not known as it is.
pub(super) fn short(flag: &str) -> &str {
    LONG.iter()
        .find(|(long, _)| *long == flag)
        .map_or(flag, |(_, short)| short)
}
