//! Secrets as the secret discovery service (SDS) carries them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use meshproof_mesh::SecretValue;
use meshproof_pki::MeshCa;
use serde_json::{Value, json};

/// Makes secrets out of what the compiler names; workloads' certificates come from the mesh's authority.
pub(super) struct Secrets {
    ca: MeshCa,
    issued: Mutex<HashMap<String, Value>>,
    /// By name, with what each was made of: the same secret stays the same `Arc`.
    made: Mutex<HashMap<String, Vec<Made>>>,
}

/// What a secret was made of, and the secret.
type Made = (SecretValue, Arc<Value>);

impl Secrets {
    pub(super) fn new(ca: MeshCa) -> Self {
        Self {
            ca,
            issued: Mutex::default(),
            made: Mutex::default(),
        }
    }

    /// A secret as SDS carries it.
    pub(super) fn secret(&self, name: &str, value: &SecretValue) -> Result<Arc<Value>, String> {
        let mut made = lock(&self.made);
        let of_name = made.entry(name.to_owned()).or_default();
        if let Some((_, known)) = of_name.iter().find(|(of, _)| of == value) {
            return Ok(Arc::clone(known));
        }
        let secret = Arc::new(self.make(name, value)?);
        of_name.push((value.clone(), Arc::clone(&secret)));
        Ok(secret)
    }

    /// Forgets the secrets that no proxy has any more.
    pub(super) fn tidy(&self) {
        lock(&self.made).retain(|_, of_name| {
            of_name.retain(|(_, secret)| Arc::strong_count(secret) > 1);
            !of_name.is_empty()
        });
    }

    fn make(&self, name: &str, value: &SecretValue) -> Result<Value, String> {
        let inline = |bytes: &[u8]| json!({"inline_bytes": base64(bytes)});
        Ok(match value {
            SecretValue::KeyPair {
                certificate_chain,
                private_key,
            } => json!({"name": name, "tls_certificate": {
                "certificate_chain": inline(certificate_chain), "private_key": inline(private_key)}}),
            SecretValue::Authorities { trusted_ca, crl } => {
                let mut context = json!({"trusted_ca": inline(trusted_ca)});
                if let Some(crl) = crl {
                    context["crl"] = inline(crl);
                }
                json!({"name": name, "validation_context": context})
            }
            SecretValue::Root => json!({"name": name, "validation_context": {
                "trusted_ca": inline(self.ca.root_pem().as_bytes())}}),
            SecretValue::SystemRoots => json!({"name": name, "validation_context": {
                "trusted_ca": {"filename": system_roots()?}}}),
            SecretValue::Workload { spiffe_id } => {
                json!({"name": name, "tls_certificate": self.workload(spiffe_id)?})
            }
        })
    }

    /// A workload's certificate, made once for each identity.
    fn workload(&self, spiffe_id: &str) -> Result<Value, String> {
        let mut issued = lock(&self.issued);
        if let Some(certificate) = issued.get(spiffe_id) {
            return Ok(certificate.clone());
        }
        let (namespace, account) = self.account(spiffe_id)?;
        let leaf = self
            .ca
            .issue(namespace, account)
            .map_err(|e| e.to_string())?;
        let certificate = json!({
            "certificate_chain": {"inline_bytes": base64(leaf.chain_pem().as_bytes())},
            "private_key": {"inline_bytes": base64(leaf.key().pem().as_bytes())},
        });
        issued.insert(spiffe_id.to_owned(), certificate.clone());
        Ok(certificate)
    }

    /// Namespace and service account of an identity of this mesh.
    fn account<'a>(&self, spiffe_id: &'a str) -> Result<(&'a str, &'a str), String> {
        let domain = self.ca.trust_domain();
        spiffe_id
            .strip_prefix("spiffe://")
            .and_then(|id| id.strip_prefix(domain)?.strip_prefix("/ns/")?.split_once("/sa/"))
            .ok_or_else(|| format!("{spiffe_id} is not an identity of the trust domain {domain} that the mesh's authority serves"))
    }
}

/// No code panics while it holds one of these locks, so a poisoned state is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where systems keep the authorities that they trust. Pods see the host's files.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

fn system_roots() -> Result<&'static str, String> {
    let found = SYSTEM_ROOTS.into_iter().find(|p| Path::new(p).is_file());
    found.ok_or_else(|| {
        format!(
            "this system keeps no trusted authorities in {}",
            SYSTEM_ROOTS.join(", ")
        )
    })
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
