//! A case: one session, and what it must show.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    At, Cause, ClientTls, ExpectedLink, Failures, Hop, Login, Outcome, Overlay, Period, Protection,
    Speaks, Target,
};

/// One session, and what it must show.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// Unique in the scenario: lower-case letters, digits and hyphens, at most 63.
    pub name: At<String>,
    /// One sentence for readers of reports.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub description: Option<At<String>>,
    /// The pod that the session comes from.
    pub from: At<String>,
    /// `host:port` to connect to.
    pub to: At<String>,
    /// For a negative case: the positive case, differing only in what is tested, that must pass
    /// before it.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub control: Option<At<String>>,
    /// Whether the control must pass once more after this case, with what the case changed taken back.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub control_again: Option<At<bool>>,
    /// One case for each of these overlays, called `<name>-<overlay>`. A control with the same overlay
    /// in its own `each` is then the control.
    #[serde(default)]
    pub each: Vec<At<String>>,
    /// Overlays under which it runs, in this order.
    #[serde(default)]
    pub uses: Vec<At<String>>,
    /// Changes under which it runs, on top of those.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub with: Option<At<Overlay>>,
    /// Whether what it changes leaves the proxies as they were, as deleting a Secret does. Where proxies are asked for
    /// what they serve, a change that shows at none of them is not known to have arrived, unless this says so.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub proxies_unchanged: Option<At<bool>>,
    /// One change that removes what the case tests: under it the case must fail.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub sabotage: Option<At<Overlay>>,
    /// Changes made one after the other while the client connects again and again.
    #[serde(default)]
    pub during: Vec<At<Overlay>>,
    /// The statements that the MySQL client runs.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub sql: Option<At<String>>,
    /// How the client opens; `mysql` where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub speaks: Option<At<Speaks>>,
    /// How the MySQL client logs in, where it differs from `database`.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub client: Option<At<Login>>,
    /// How a prober opens TLS.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub tls: Option<At<ClientTls>>,
    /// For a negative case: how long to watch that nothing comes through.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub hold: Option<At<Period>>,
    /// What it must show.
    pub expect: At<Expect>,
}

/// What a case must show.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// How the session ends.
    pub outcome: At<Outcome>,
    /// Who refuses; for negative cases, where it is needed.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub hop: Option<At<Hop>>,
    /// Why; for negative cases, where it is needed.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub cause: Option<At<Cause>>,
    /// Whether the target's name resolves in the client's pod.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub resolves: Option<At<bool>>,
    /// Exactly the rows that the client prints, every value as text.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub rows: Option<At<Vec<Vec<At<String>>>>>,
    /// The proxies that the session passes, in order, and what each logs.
    #[serde(default)]
    pub path: Vec<At<ExpectedHop>>,
    /// The legs, and how each is protected as its receiving hop saw it.
    #[serde(default)]
    pub legs: Vec<At<ExpectedLeg>>,
    /// What the database shows; `nothing` for a negative case that says nothing.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub database: Option<At<ExpectedDatabase>>,
    /// What crosses the link between the clusters.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub link: Option<At<ExpectedLink>>,
    /// For a case with `during`: whether sessions may fail on the way; `none` where nothing is said.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub failures: Option<At<Failures>>,
}

/// What one proxy logs of the session.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectedHop {
    /// Which proxy.
    pub hop: At<Hop>,
    /// Value of `UPSTREAM_CLUSTER`.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub cluster: Option<At<String>>,
    /// Whole value of `UPSTREAM_HOST`.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub upstream: Option<At<String>>,
    /// Port of `UPSTREAM_HOST`.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub upstream_port: Option<u16>,
    /// Value of `REQUESTED_SERVER_NAME`.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub sni: Option<At<String>>,
}

/// How a leg between two hops is protected.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExpectedLeg {
    /// The sending hop.
    pub from: At<Hop>,
    /// The receiving hop, whose log is the evidence.
    pub to: At<Hop>,
    /// The protection.
    pub encrypted: At<Protection>,
    /// Identity of the sender: a `spiffe://` URI or a subject such as `CN=name`.
    #[serde(default, deserialize_with = "crate::at::present")]
    pub peer: Option<At<String>>,
}

/// What the database shows.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedDatabase {
    /// Not one session, not one statement of this case.
    Nothing,
    /// A query on the server's side returns exactly these rows.
    Rows(RowsQuery),
}

/// A query on the server's side and what it returns.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RowsQuery {
    /// The query.
    pub query: At<String>,
    /// Every row, every value as text.
    pub equal: At<Vec<Vec<At<String>>>>,
}

impl Case {
    /// How the client opens.
    pub fn speaks(&self) -> Speaks {
        self.speaks
            .as_ref()
            .map_or(Speaks::Mysql, |speaks| speaks.value)
    }

    /// Whether what it changes shows at no proxy.
    pub fn leaves_proxies_unchanged(&self) -> bool {
        self.proxies_unchanged
            .as_ref()
            .is_some_and(|said| said.value)
    }

    /// Whether it demands a refusal.
    pub fn is_negative(&self) -> bool {
        self.expect.outcome.is_negative()
    }

    /// Where the client connects to. Only a bound case has it (see `Scenario::bind`): before that
    /// the text may still hold `${NAME}`.
    ///
    /// # Errors
    /// Why the text is not `host:port`.
    pub fn target(&self) -> Result<Target, String> {
        self.to.parse()
    }
}
