//! The run record: everything a run found, in one versioned JSON document (`run.json`).
//!
//! A verdict is a pure function of an [`Expectation`] and the [`Evidence`] beside it, so both are
//! kept here as found: raw access-log lines, raw client output, counters before and after. Reports,
//! the gate and re-judging read nothing else. No password, token or private key is ever in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod finding;
mod probe;
mod wire;
mod word;

pub use finding::{Finding, FindingState};
pub use probe::{
    ProbeAlert, ProbeBytes, ProbeCertificate, ProbeDns, ProbeEnd, ProbeFirst, ProbeLevel,
    ProbeOpening, ProbeReport, ProbeReportError, ProbeTcp, ProbeTcpEnd, ProbeTls,
};
pub use wire::{
    WireAlert, WireCanary, WireConnection, WireDirection, WireEvidence, WireMySql, WireOpening,
    WirePlace, WireSeen, WireSide, WireSpeech, WireTls,
};
pub use word::word;

/// The version written in [`RunRecord::schema`].
pub const SCHEMA: &str = "meshproof.dev/run/v1alpha1";

/// Where on the path from client to database something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hop {
    /// No hop: nothing was refused.
    None,
    /// The client program itself, before anything left the pod (for example a name that does not resolve).
    Client,
    /// The sidecar in the client's pod.
    ClientSidecar,
    /// The egress gateway of the client cluster.
    Egress,
    /// The network between, no proxy answered.
    Network,
    /// The ingress gateway of the server cluster.
    Ingress,
    /// The sidecar in the database's pod.
    ServerSidecar,
    /// The database server.
    Mysqld,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The client got through to the database.
    Connected,
    /// Somebody on the path ended the connection.
    Refused,
    /// Nobody answered.
    Unreachable,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Cause {
    None,
    NoClientCertificate,
    UnknownCa,
    Expired,
    NotYetValid,
    Revoked,
    WrongPurpose,
    SanMismatch,
    SniMismatch,
    NotTls,
    TlsToPlaintext,
    ProtocolVersion,
    NoRoute,
    NoListener,
    NoEndpoint,
    Refused,
    Dropped,
    Dns,
    SecretMissing,
    PolicyDenied,
    ServerDown,
    AuthDenied,
    UnknownDatabase,
    NoGreeting,
}

/// The whole record of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Unique name of the run; also the name of its folder.
    pub run_id: String,
    /// The tool that ran.
    pub tool: Tool,
    /// How the clusters were obtained: `embedded`, `kind`, `k3s`, `contexts`.
    pub provider: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC.
    pub finished: String,
    /// Names and versions of what took part: `envoy`, `mysqld`, `mysql`, ...
    pub versions: BTreeMap<String, String>,
    /// The scenarios that were run, in order.
    pub scenarios: Vec<ScenarioRecord>,
    /// What kept the run from finishing, if anything: set-up failures, a signal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// Where the time went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// What was waited for while cases ran, by kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<WaitTotal>,
    /// What was looked at before anything was created on clusters that were there already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The program that made the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Version of the package.
    pub version: String,
    /// Commit it was built from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Something that kept a run or a scenario from doing its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// What was being done: `apply`, `start clusters`, `interrupted`, ...
    pub during: String,
    /// The whole cause chain in one line.
    pub message: String,
}

/// A stretch of time in a run, for profiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What was done.
    pub name: String,
    /// Milliseconds after the start of the run.
    pub start_ms: f64,
    /// Milliseconds.
    pub duration_ms: f64,
}

/// How often one kind of thing was waited for, and how long in all. Waits may go on beside each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitTotal {
    /// What was waited for.
    pub what: String,
    /// How often.
    pub times: u32,
    /// Milliseconds in all.
    pub total_ms: f64,
    /// Milliseconds of the longest.
    pub longest_ms: f64,
}

/// One scenario file and what became of its cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioRecord {
    /// `metadata.name`.
    pub name: String,
    /// The path as given by the user.
    pub file: String,
    /// `metadata.description`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// `metadata.labels`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Bindings as resolved in this run.
    pub bindings: BTreeMap<String, String>,
    /// The cases, in the order of the file.
    pub cases: Vec<CaseRecord>,
}

/// One case: what was expected, what was found, what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Name within the scenario.
    pub name: String,
    /// One sentence for readers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Line of the case in the scenario file, counted from 1.
    pub line: u32,
    /// The positive case that must pass for this negative one to mean anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// The pod the session came from, `namespace/name`.
    pub source: String,
    /// `host:port` that was addressed.
    pub target: String,
    /// How the client opens: `mysql` (waits for the greeting), `plaintext` (speaks first), `tls` or
    /// `silent` (a prober).
    pub speaks: String,
    /// What was changed in the environment for this case, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variation: Vec<String>,
    /// The defence that was removed on purpose, in words: the case must then fail, and its verdict is
    /// whether it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sabotage: Option<String>,
    /// What the scenario demands.
    pub expectation: Expectation,
    /// What was found.
    pub evidence: Evidence,
    /// What follows.
    pub verdict: Verdict,
    /// RFC 3339, UTC.
    pub started: String,
    /// Milliseconds, declared holds included.
    pub duration_ms: f64,
}

/// What a case demands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// How the session must end.
    pub outcome: Outcome,
    /// Who must refuse, for anything but [`Outcome::Connected`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<Hop>,
    /// Why it must be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The name must (or must not) resolve in the client's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolves: Option<bool>,
    /// Rows that the client must have printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<String>>>,
    /// The hops a session must have passed, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<ExpectedHop>,
    /// The legs and how each must be protected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub legs: Vec<ExpectedLeg>,
    /// What the database must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<ExpectedDatabase>,
    /// What must be seen on the link between the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<ExpectedLink>,
    /// Whether sessions may fail while the environment changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// MySQL's own TLS inside the session; it must be off where nothing is said.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub own_tls: bool,
}

/// What must be seen on the link between the clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedLink {
    /// TLS only: no statement, no row and no greeting stands there in clear.
    Secret,
    /// The session stands there in clear.
    Readable,
    /// Not a single byte.
    Nothing,
}

/// Whether sessions may fail while the environment changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failures {
    /// Not one.
    None,
    /// At least one, for the expected reason.
    Some,
}

/// What one hop must have logged of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedHop {
    /// Which proxy.
    pub hop: Hop,
    /// Value of `UPSTREAM_CLUSTER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Whole value of `UPSTREAM_HOST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Port of `UPSTREAM_HOST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_port: Option<u16>,
    /// Value of `REQUESTED_SERVER_NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
}

/// How a leg between two hops must be protected, as the receiving hop saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedLeg {
    /// The sending hop.
    pub from: Hop,
    /// The receiving hop, whose log is the evidence.
    pub to: Hop,
    /// The protection that is demanded.
    pub encrypted: Protection,
    /// Identity of the sender: a `spiffe://` URI or a subject such as `CN=name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
}

/// Protection of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// TLS 1.2 or later, and the sender showed a certificate.
    Mutual,
    /// TLS 1.2 or later, only the receiver showed one.
    ServerOnly,
    /// Plaintext.
    None,
}

/// What the database must show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedDatabase {
    /// Not one session, not one statement of this case.
    Nothing,
    /// A query on the server's side returns exactly these rows.
    Rows {
        /// The query, run on the server's side by the harness.
        query: String,
        /// Every row, every value as text.
        equal: Vec<Vec<String>>,
    },
}

/// Everything that was found about one case, unjudged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The client program's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientEvidence>,
    /// A second client that only waits for the server's greeting, beside one that speaks first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_client: Option<ClientEvidence>,
    /// What the service's name resolved to in the client's pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// New access-log lines, by hop.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<Hop, LogEvidence>,
    /// What the routers between the clusters counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkEvidence>,
    /// What crossed the link between the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<WireEvidence>,
    /// What the database counted and holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseEvidence>,
    /// Sessions made one after the other while the environment changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuous: Option<ContinuousEvidence>,
    /// The control, run once more after the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_after: Option<Status>,
    /// Windows that were held to observe an absence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Evidence that could not be had, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

/// How the client program ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientEvidence {
    /// The command line, without secrets.
    pub command: Vec<String>,
    /// Exit code, absent when it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Standard output (lossy UTF-8).
    pub stdout: String,
    /// Standard error (lossy UTF-8).
    pub stderr: String,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Why the harness stopped it before it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// For a client that speaks first: number of bytes it received before the end. `stdout` then has
    /// the first of them in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_bytes: Option<u64>,
}

/// A name resolution in the client's pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// The name.
    pub name: String,
    /// Addresses, empty when it did not resolve.
    pub addresses: Vec<String>,
}

/// Access-log lines of one proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEvidence {
    /// `namespace/pod` of the proxy.
    pub pod: String,
    /// The Envoy format string; `json` for Istio's JSON encoding, `json:{...}` for other keys, and
    /// `text,omit-empty:` or `json,omit-empty:` in front where empty values are omitted.
    pub format: String,
    /// The lines as logged.
    pub lines: Vec<String>,
}

/// What the routers counted during the case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkEvidence {
    /// SYN packets from the client's pod to the target that entered the network.
    pub syns: u64,
    /// Packets to the target that were dropped for want of a declared port.
    pub drops: u64,
    /// Where that was counted.
    pub counted_by: String,
}

/// What the database showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseEvidence {
    /// `SHOW GLOBAL STATUS` values before the case.
    pub before: BTreeMap<String, u64>,
    /// The same after the case. What the harness itself added is in `own`.
    pub after: BTreeMap<String, u64>,
    /// What the harness's own reading added in between.
    pub own: BTreeMap<String, u64>,
    /// Result of the query on the server's side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Vec<String>>>,
}

/// Sessions made one after the other while the environment changed step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContinuousEvidence {
    /// How many sessions were made before the first change, and after each one was active.
    pub sessions: Vec<u64>,
    /// Sessions that failed, over all of the time.
    pub failed: u64,
    /// Sessions that failed after the last change was active.
    pub failed_at_the_end: u64,
    /// What the first clients that failed said, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// SHA-256 of the client certificate that the last change put in place, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
}

/// A window held open to see that something does not happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// What was watched for.
    pub what: String,
    /// Milliseconds.
    pub ms: f64,
}

/// Evidence that could not be collected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// Which evidence.
    pub source: String,
    /// Why not.
    pub why: String,
}

/// The judgement of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The verdict itself.
    pub status: Status,
    /// One sentence a person acts on; for a pass, what was proven.
    pub summary: String,
    /// Every single check, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What was observed, in the vocabulary of the expectation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Observed>,
}

/// A verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Conformant, and shown to be.
    Pass,
    /// Not run, for a stated reason.
    Skipped,
    /// The fact could not be established: never a pass.
    Inconclusive,
    /// Not conformant.
    Fail,
}

/// One check within a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked, e.g. `leg ingress -> server-sidecar`.
    pub what: String,
    /// Its own result.
    pub status: Status,
    /// What was expected and what was found.
    pub detail: String,
}

/// What was observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// How the session ended.
    pub outcome: Outcome,
    /// Who ended it.
    pub hop: Hop,
    /// Why.
    pub cause: Cause,
}
