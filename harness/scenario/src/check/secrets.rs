//! Secrets made from certificates: flaws, authorities and keys that exclude each other.

use std::collections::BTreeSet;

use super::{Check, shorten};
use crate::{At, Flaw, Secret, suggest};

/// The keys of a Secret that may be left out. `ca.crl` is there only where something is revoked.
const KEYS: &[&str] = &["tls.crt", "tls.key", "ca.crt"];

impl Check<'_> {
    pub(super) fn secret(&mut self, secret: &Secret) {
        if let (Some(flaw), Some(authority)) = (&secret.but, &secret.authority)
            && matches!(
                flaw.value,
                Flaw::SelfSigned | Flaw::UnknownCa | Flaw::OtherMesh
            )
        {
            self.error(
                authority,
                format!("`authority: {authority}` beside `but: {flaw}`"),
                "the flaw says already who signed it; leave out one of the two",
            );
        }
        if let (Some(flaw), Some(name)) = (&secret.but, &secret.dns_name)
            && matches!(flaw.value, Flaw::OtherName | Flaw::OtherMesh)
        {
            self.error(
                name,
                format!("`dnsName` beside `but: {flaw}`"),
                "the flaw says already for whom it is; leave out one of the two",
            );
        }
        if let Some(name) = secret
            .dns_name
            .as_ref()
            .filter(|name| name.trim().is_empty())
        {
            self.error(
                name,
                "empty `dnsName`".to_owned(),
                "expected a DNS name; leave it out for that of `certificates`",
            );
        }
        for key in &secret.without {
            if !KEYS.contains(&key.as_str()) {
                let allowed = suggest::list(KEYS.iter().copied());
                self.error(
                    key,
                    format!("unknown key of a Secret `{}`", shorten(key)),
                    format!("allowed: {allowed}"),
                );
            }
        }
        self.left_out(secret);
        let trusts = secret.trusts.iter().map(|at| (at.pos, at.as_str()));
        self.once("trusts", trusts);
        let revokes = secret.revokes.iter().map(|at| (at.pos, at.as_str()));
        self.once("revokes", revokes);
        let without = secret.without.iter().map(|at| (at.pos, at.as_str()));
        self.once("without", without);
    }

    /// What says something of a key that is left out.
    fn left_out(&mut self, secret: &Secret) {
        let without = |key: &str| secret.without.iter().find(|left| left.value == key);
        if let (Some(key), Some(_)) = (without("ca.crt"), secret.trusts.first()) {
            self.error(
                key,
                "`without: [ca.crt]` beside `trusts`".to_owned(),
                "`trusts` is what ca.crt holds; leave out one of the two",
            );
        }
        if let (Some(key), Some(flaw)) = (without("tls.crt"), &secret.but) {
            self.error(
                key,
                format!("`without: [tls.crt]` beside `but: {flaw}`"),
                "a certificate that is not there has no flaw; leave out one of the two",
            );
        }
    }

    fn once<'a>(&mut self, list: &str, words: impl Iterator<Item = (crate::Pos, &'a str)>) {
        let mut seen = BTreeSet::new();
        for (pos, word) in words {
            if !seen.insert(word) {
                self.twice(&At::new(word.to_owned(), pos), list);
            }
        }
    }
}
