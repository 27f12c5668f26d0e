//! What a case's client does: SQL, a login, TLS of a prober, or bytes that are no MySQL.

use super::{Check, shorten};
use crate::{At, Case, ClientTls, Login, Pod, Scenario, Speaks};

/// The image of the prober.
const PROBE: &str = "meshproof/probe";

impl Check<'_> {
    pub(super) fn client(&mut self, scenario: &Scenario, case: &Case) {
        self.statements(case);
        if let Some(login) = &case.client {
            self.login(case, login);
        }
        match (&case.tls, case.speaks()) {
            (Some(tls), Speaks::Tls) => self.prober_tls(tls),
            (Some(tls), speaks) => self.error(
                tls,
                format!("`tls` in a case with `speaks: {speaks}`"),
                "only a prober opens TLS by itself: `speaks: tls`; MySQL's own TLS is `client: {tls: required}`",
            ),
            (None, Speaks::Tls) => {
                let at = case.speaks.as_ref().map(|at| at.pos).unwrap_or_default();
                self.error(
                    &At::new((), at),
                    "`speaks: tls` without `tls`".to_owned(),
                    "say how it opens TLS, as in `tls: {sni: db.example}`; `tls: {}` is without server name and certificate",
                );
            }
            (None, _) => {}
        }
        if let Some((_, pod)) = scenario.pod(&case.from) {
            self.program(case, pod);
        }
    }

    /// `sql`, where it is a MySQL client.
    fn statements(&mut self, case: &Case) {
        match (case.speaks(), &case.sql) {
            (Speaks::Mysql, None) => {
                let message = format!("case `{}` has nothing for the client to do", case.name);
                self.error(
                    &case.name,
                    message,
                    "give it `sql`, or `speaks: plaintext` to send bytes that are no TLS",
                );
            }
            (Speaks::Mysql, Some(sql)) if sql.trim().is_empty() => {
                self.error(
                    sql,
                    "empty `sql`".to_owned(),
                    "give the client a statement, as in SELECT 1",
                );
            }
            (Speaks::Plaintext, Some(sql)) => {
                self.error(
                    sql,
                    "`sql` in a case that speaks plaintext".to_owned(),
                    "a client that speaks first runs no statements; leave out one of the two",
                );
            }
            (speaks @ (Speaks::Tls | Speaks::Silent), Some(sql)) => {
                self.error(
                    sql,
                    format!("`sql` in a case with `speaks: {speaks}`"),
                    "a prober runs no statements; leave out one of the two",
                );
            }
            _ => {}
        }
    }

    fn login(&mut self, case: &Case, login: &At<Login>) {
        if case.speaks() != Speaks::Mysql {
            self.error(
                login,
                format!("`client` in a case with `speaks: {}`", case.speaks()),
                "only a MySQL client logs in; leave out one of the two",
            );
        }
        if login.value == Login::default() {
            self.error(
                login,
                "`client` says nothing".to_owned(),
                "allowed: `user`, `wrongPassword`, `database`, `tls`",
            );
        }
        for (what, text) in [("user", &login.user), ("database", &login.database)] {
            if let Some(text) = text.as_ref().filter(|text| text.trim().is_empty()) {
                self.error(
                    text,
                    format!("empty `{what}`"),
                    "leave it out for that of the scenario's `database`, or for none",
                );
            }
        }
    }

    fn prober_tls(&mut self, tls: &At<ClientTls>) {
        if let (Some(min), Some(max)) = (&tls.min, &tls.max)
            && min.value > max.value
        {
            self.error(
                min,
                format!("`min: {min}` above `max: {max}`"),
                "the lowest version comes first: 1.0, 1.1, 1.2, 1.3",
            );
        }
        let plain = ClientTls {
            malformed: tls.malformed.clone(),
            ..ClientTls::default()
        };
        if let Some(malformed) = tls.malformed.as_ref().filter(|malformed| malformed.value)
            && tls.value != plain
        {
            self.error(
                malformed,
                "`malformed: true` beside other keys of `tls`".to_owned(),
                "a hello that is none has no name, version or certificate; leave the others out",
            );
        }
        if let Some(sni) = tls.sni.as_ref().filter(|sni| sni.trim().is_empty()) {
            self.error(
                sni,
                "empty `sni`".to_owned(),
                "for a hello without a server name, leave it out",
            );
        }
        for name in &tls.alpn {
            if !(1..=255).contains(&name.len()) {
                self.error(
                    name,
                    format!("invalid protocol `{}` in `alpn`", shorten(name)),
                    "expected 1 to 255 bytes, as in istio-peer-exchange",
                );
            }
        }
        if let Some(shows) = &tls.shows {
            self.secret(shows);
            let other = [
                ("trusts", shows.trusts.first().map(|at| at.pos)),
                ("revokes", shows.revokes.first().map(|at| at.pos)),
                ("without", shows.without.first().map(|at| at.pos)),
            ];
            for (what, pos) in other {
                if let Some(pos) = pos {
                    self.error(
                        &At::new((), pos),
                        format!("`{what}` in `shows`"),
                        "a prober shows its certificate whole and judges nobody's; leave it out",
                    );
                }
            }
        }
    }

    /// Whether the pod has the program that the case needs, where its image tells.
    fn program(&mut self, case: &Case, pod: &Pod) {
        let image = pod.image.split([':', '@']).next().unwrap_or_default();
        let prober = image == PROBE;
        let speaks = case.speaks();
        let wants = matches!(speaks, Speaks::Tls | Speaks::Silent);
        if wants && !prober {
            self.error(
                &case.from,
                format!(
                    "`speaks: {speaks}` from pod `{}`, which has the image `{}`",
                    case.from,
                    shorten(&pod.image)
                ),
                format!("name a pod with the image `{PROBE}`"),
            );
        } else if prober && !wants {
            self.error(
                &case.from,
                format!(
                    "`speaks: {speaks}` from pod `{}`, which is a prober",
                    case.from
                ),
                "a prober does `speaks: tls` and `speaks: silent`; name a pod with a MySQL client",
            );
        }
    }
}
