//! `link`: what a session can leave on the link between the clusters.

use super::Check;
use crate::{Case, ExpectedLink, Hop, Scenario, Side};

impl Check<'_> {
    pub(super) fn link(&mut self, scenario: &Scenario, case: &Case) {
        let Some(link) = &case.expect.link else {
            return;
        };
        let side = scenario.pod(&case.from).map(|(side, _)| side);
        let database = scenario.database.cluster.value;
        match link.value {
            ExpectedLink::Nothing if side.is_none_or(|side| side == database) => {}
            ExpectedLink::Nothing if !case.is_negative() => self.error(
                link,
                "`link: nothing` in a case with `outcome: connected`".to_owned(),
                "the client is in one cluster and the database in the other; allowed: `secret`, `readable`",
            ),
            ExpectedLink::Nothing if !case.during.is_empty() => self.error(
                link,
                "`link: nothing` in a case with `during`".to_owned(),
                "sessions before the change do cross the link; allowed: `secret`, `readable`",
            ),
            ExpectedLink::Nothing => {
                let hop = case.expect.hop.as_ref();
                if let Some(hop) =
                    hop.filter(|hop| matches!(hop.value, Hop::ServerSidecar | Hop::Mysqld))
                {
                    self.error(
                        link,
                        format!("`link: nothing` beside `hop: {hop}`"),
                        "to be refused there a session must cross the link; allowed: `secret`, `readable`",
                    );
                }
            }
            ExpectedLink::Secret | ExpectedLink::Readable => {
                if side == Some(Side::Server) && database == Side::Server {
                    self.error(
                        link,
                        format!("`link: {link}` for a session inside the server's cluster"),
                        "it does not cross the link between the clusters; allowed: `nothing`",
                    );
                }
            }
        }
    }
}
