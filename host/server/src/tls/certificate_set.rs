//! The certificates of the host and of its tenants.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::tls_error::TlsError;
use narrowboat_config::{PemSource, TenantTlsConfig, TlsConfig};
use narrowboat_core::name::Tenant;
use narrowboat_core::origin::HostPattern;
use narrowboat_core::regular_file::read_regular_file;

/// The largest file of a certificate or a key, in bytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// The certificates of the host and of its tenants. It does not change.
#[derive(Debug)]
pub(super) struct CertificateSet {
    host: Arc<CertifiedKey>,
    /// The certificates of tenants by their names in lower case. A name with a dot before it stands for a domain and its
    /// subdomains.
    by_name: HashMap<String, TenantCertificate>,
}

/// The certificate of a tenant.
#[derive(Debug, Clone)]
struct TenantCertificate {
    tenant: Tenant,
    /// `None` if it could not be read yet.
    certificate: Option<Arc<CertifiedKey>>,
}

impl CertificateSet {
    /// The certificate of a host without tenants that have one.
    pub(super) fn new(host: Arc<CertifiedKey>) -> Self {
        Self { host, by_name: HashMap::new() }
    }

    /// The certificate of the host.
    pub(super) fn host(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.host)
    }

    /// The certificate for the name that a client sent: that of a tenant, or else that of the host.
    pub(super) fn certificate(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let of_tenant = name.and_then(|name| self.find(name)?.certificate.as_ref());
        Arc::clone(of_tenant.unwrap_or(&self.host))
    }

    /// The tenant that has a certificate for a name.
    pub(super) fn tenant(&self, name: &str) -> Option<&Tenant> {
        self.find(name).map(|found| &found.tenant)
    }

    /// The closest match: an exact name before a domain, and a longer domain before a shorter one.
    fn find(&self, name: &str) -> Option<&TenantCertificate> {
        if self.by_name.is_empty() {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let exact = self.by_name.get(&name);
        let dotted = format!(".{name}");
        let domains = dotted.match_indices('.').map(|(start, _)| &dotted[start..]);
        exact.or_else(|| domains.into_iter().find_map(|domain| self.by_name.get(domain)))
    }

    /// These certificates of tenants, and that of the host. A certificate that cannot be read stays as it is in `self`; the
    /// problems with them are returned and logged.
    pub(super) fn with_tenants(
        &self,
        tenants: &[(Tenant, TenantTlsConfig)],
        host: Arc<CertifiedKey>,
    ) -> (Self, Vec<String>) {
        let (mut by_name, mut problems) = (HashMap::new(), Vec::new());
        for (tenant, tls) in tenants {
            let table = format!("tenants.{tenant}.tls");
            let certificate =
                match load_certified_key(&tls.certificate, &table, &default_provider()) {
                    Ok(certificate) => Some(Arc::new(certificate)),
                    Err(error) => {
                        let earlier = self.of_tenant(tenant);
                        let tenant = tenant.as_str();
                        let used =
                            if earlier.is_some() { "its own from before" } else { "the host's" };
                        tracing::warn!(tenant, used, %error, "cannot load a tenant's certificate");
                        problems.push(error.to_string());
                        earlier
                    }
                };
            let certificate = TenantCertificate { tenant: tenant.clone(), certificate };
            let names = tls.hosts.iter().map(HostPattern::to_string);
            by_name.extend(names.map(|name| (name, certificate.clone())));
        }
        (Self { host, by_name }, problems)
    }

    /// The certificate of a tenant.
    fn of_tenant(&self, tenant: &Tenant) -> Option<Arc<CertifiedKey>> {
        let found = self.by_name.values().find(|found| found.tenant == *tenant);
        found.and_then(|found| found.certificate.clone())
    }
}

/// Reads a certificate and its key. `table` is named in errors.
pub(super) fn load_certified_key(
    config: &TlsConfig,
    table: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, TlsError> {
    let invalid_pem = |key, of: &PemSource, source| TlsError::InvalidPem {
        table: table.to_owned(),
        key,
        source_of: of.to_string(),
        source,
    };
    let chain =
        read_chain(&config.cert).map_err(|error| invalid_pem("cert", &config.cert, error))?;
    if chain.is_empty() {
        let (table, source_of) = (table.to_owned(), config.cert.to_string());
        return Err(TlsError::NoCertificate { table, source_of });
    }
    let key = read_key(&config.key).map_err(|error| invalid_pem("key", &config.key, error))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|source| TlsError::invalid_key(config, table, source))
}

fn read_pem(file: &Path) -> Result<Vec<u8>, pem::Error> {
    read_regular_file(file, MAX_PEM_BYTES).map_err(pem::Error::Io)
}

fn read_chain(source: &PemSource) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    match source {
        PemSource::File(file) => CertificateDer::pem_slice_iter(&read_pem(file)?).collect(),
        PemSource::Env(secret) => {
            CertificateDer::pem_slice_iter(secret.expose().as_bytes()).collect()
        }
    }
}

fn read_key(source: &PemSource) -> Result<PrivateKeyDer<'static>, pem::Error> {
    match source {
        PemSource::File(file) => PrivateKeyDer::from_pem_slice(&read_pem(file)?),
        PemSource::Env(secret) => PrivateKeyDer::from_pem_slice(secret.expose().as_bytes()),
    }
}
