//! The certificates of the host and of its tenants.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::sign::CertifiedKey;

use super::key_pair::load_certified_key;
use super::tenant_names::TenantNames;
use narrowboat_config::TlsConfig;
use narrowboat_core::name::Tenant;

/// The name of the table with the certificate of the host.
const HOST_TABLE: &str = "tls";

/// The certificates of the host and of its tenants. It does not change.
#[derive(Debug)]
pub(super) struct CertificateSet {
    host: Arc<CertifiedKey>,
    /// All tenants; none if no tenant has a certificate.
    tenants: Vec<NamedTenant>,
}

/// The certificate of a tenant; `None` if it has none, or if it could not be read yet.
type TenantKey = Option<Arc<CertifiedKey>>;

/// A tenant and its certificate.
#[derive(Debug)]
struct NamedTenant {
    names: TenantNames,
    certificate: TenantKey,
}

impl CertificateSet {
    /// The certificate of a host without tenants that have one.
    pub(super) fn new(host: Arc<CertifiedKey>) -> Self {
        Self { host, tenants: Vec::new() }
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
        self.find(name).map(|found| &found.names.tenant)
    }

    /// The tenant that a name belongs to, if it has a certificate for the name. The rule is the one for requests, so that a
    /// tenant without a certificate keeps its names below a domain of another tenant.
    fn find(&self, name: &str) -> Option<&NamedTenant> {
        let fitting = self.tenants.iter().filter_map(|it| Some((it.names.specificity(name)?, it)));
        let ((_, of_certificate), found) = fitting.max_by_key(|(specificity, _)| *specificity)?;
        of_certificate.map(|_| found)
    }

    /// The certificates as these tables of the configuration have them. A certificate that cannot be used stays as it is in
    /// `self`; the problems with them are returned and logged. Blocks on the disk.
    pub(super) fn reload(&self, host: &TlsConfig, tenants: &[TenantNames]) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let host = load_certificate(host, HOST_TABLE).unwrap_or_else(|problem| {
            tracing::warn!(error = problem, "cannot reload the certificate; it stays as it was");
            problems.push(problem);
            self.host()
        });
        let (set, of_tenants) = self.with_tenants(tenants, host);
        problems.extend(of_tenants);
        set.log_changes_since(self);
        (set, problems)
    }

    /// The certificates of these tenants, and that of the host. A certificate that cannot be used stays as it is in `self`;
    /// the problems with them are returned and logged. Blocks on the disk.
    pub(super) fn with_tenants(
        &self,
        tenants: &[TenantNames],
        host: Arc<CertifiedKey>,
    ) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        if tenants.iter().all(|names| names.tls.is_none()) {
            return (Self::new(host), problems);
        }
        let tenants = tenants.iter().map(|names| {
            let certificate = self.load_or_keep(names);
            let certificate = certificate.unwrap_or_else(|(problem, earlier)| {
                problems.push(problem);
                earlier
            });
            NamedTenant { names: names.clone(), certificate }
        });
        let tenants = tenants.collect();
        (Self { host, tenants }, problems)
    }

    /// Reads the certificate of a tenant, if it has one. If it cannot be used, logs and returns the problem, and the
    /// certificate from before.
    fn load_or_keep(&self, names: &TenantNames) -> Result<TenantKey, (String, TenantKey)> {
        let Some(tls) = &names.tls else { return Ok(None) };
        load_certificate(&tls.certificate, &table_of(&names.tenant)).map(Some).map_err(|problem| {
            let earlier = self.of_tenant(&names.tenant);
            let used = if earlier.is_some() { "its own from before" } else { "the host's" };
            let tenant = names.tenant.as_str();
            tracing::warn!(tenant, used, error = problem, "cannot load a tenant's certificate");
            (problem, earlier)
        })
    }

    /// Logs the certificates that differ from those in `earlier`.
    fn log_changes_since(&self, earlier: &Self) {
        let is_new = |current: &CertifiedKey, before: &CertifiedKey| current.cert != before.cert;
        if is_new(&self.host, &earlier.host) {
            tracing::info!(table = HOST_TABLE, "certificate reloaded");
        }
        for NamedTenant { names, certificate } in &self.tenants {
            let before = earlier.of_tenant(&names.tenant);
            let changed = certificate
                .as_ref()
                .is_some_and(|current| before.is_none_or(|before| is_new(current, &before)));
            if changed {
                tracing::info!(table = table_of(&names.tenant), "certificate reloaded");
            }
        }
    }

    /// The certificate of a tenant.
    fn of_tenant(&self, tenant: &Tenant) -> TenantKey {
        self.tenants.iter().find(|it| it.names.tenant == *tenant)?.certificate.clone()
    }
}

/// The name of the table with the certificate of a tenant.
fn table_of(tenant: &Tenant) -> String {
    format!("tenants.{tenant}.tls")
}

/// Reads a certificate and its key, which `table` names. The error is for people.
fn load_certificate(config: &TlsConfig, table: &str) -> Result<Arc<CertifiedKey>, String> {
    let certified = load_certified_key(config, table, &default_provider());
    certified.map(Arc::new).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustls::sign::{Signer, SigningKey};
    use rustls::{SignatureAlgorithm, SignatureScheme};

    use super::*;
    use narrowboat_config::Config;

    /// A key that signs nothing.
    #[derive(Debug)]
    struct UnusedKey;

    impl SigningKey for UnusedKey {
        fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
            None
        }

        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::ED25519
        }
    }

    fn certified() -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(Vec::new(), Arc::new(UnusedKey)))
    }

    /// The certificates of a host with these tenants: the name, the keys of its table, and the keys of its certificate.
    fn set(tenants: &[(&str, &str, Option<&str>)]) -> CertificateSet {
        let pair = "cert = \"c\"\nkey = \"k\"\n";
        let mut text = format!("[tls]\n{pair}");
        for (name, keys, tls) in tenants {
            text += &format!("[tenants.{name}]\n{keys}\n");
            if let Some(keys) = tls {
                text += &format!("[tenants.{name}.tls]\n{keys}\n{pair}");
            }
        }
        let config = Config::parse(&text, Path::new("narrowboat.toml")).unwrap();
        let names = TenantNames::of_config(&config).into_iter();
        let tenants = names.map(|names| NamedTenant {
            certificate: names.tls.as_ref().map(|_| certified()),
            names,
        });
        CertificateSet { host: certified(), tenants: tenants.collect() }
    }

    /// The tenant whose certificate clients get for a name, or "host".
    fn shown(set: &CertificateSet, name: Option<&str>) -> String {
        let tenant = name.and_then(|name| set.tenant(name));
        let expected =
            tenant.and_then(|tenant| set.of_tenant(tenant)).unwrap_or_else(|| set.host());
        assert!(Arc::ptr_eq(&expected, &set.certificate(name)));
        tenant.map_or_else(|| "host".to_owned(), Tenant::to_string)
    }

    #[test]
    fn the_most_specific_hosts_decide_which_tenant_a_name_belongs_to() {
        let set = set(&[
            ("acme", "hosts = [\".example.org\"]", Some("")),
            ("bare", "hosts = [\"b.example.org\", \".c.example.org\"]", None),
            ("deep", "hosts = [\".deep.example.org\"]", Some("")),
            ("exact", "hosts = [\"x.deep.example.org\"]", Some("")),
        ]);
        for (name, tenant) in [
            ("example.org", "acme"),
            ("a.example.org", "acme"),
            ("b.example.org", "host"),
            ("B.EXAMPLE.org", "host"),
            ("a.b.example.org", "acme"),
            ("c.example.org", "host"),
            ("a.c.example.org", "host"),
            ("deep.example.org", "deep"),
            ("y.deep.example.org", "deep"),
            ("X.deep.example.org", "exact"),
            ("z.x.deep.example.org", "deep"),
            ("example.net", "host"),
            ("badexample.org", "host"),
        ] {
            assert_eq!(shown(&set, Some(name)), tenant, "{name}");
        }
        assert_eq!(shown(&set, None), "host");
    }

    #[test]
    fn a_tenant_with_a_certificate_for_some_of_its_names_uses_the_hosts_for_the_others() {
        let set = set(&[
            ("acme", "hosts = [\".example.org\"]", Some("")),
            ("bolt", "hosts = [\".b.example.org\"]", Some("hosts = [\"a.b.example.org\"]")),
        ]);
        assert_eq!(shown(&set, Some("a.b.example.org")), "bolt");
        assert_eq!(shown(&set, Some("c.b.example.org")), "host");
    }

    #[test]
    fn a_certificate_of_tenants_with_the_same_hosts_is_for_its_tenant() {
        let set = set(&[
            ("one", "hosts = [\"example.org\"]\npath = \"/one\"", None),
            ("two", "hosts = [\"example.org\"]\npath = \"/two\"", Some("")),
            ("three", "path = \"/three\"", Some("hosts = [\"three.example\"]")),
        ]);
        assert_eq!(shown(&set, Some("example.org")), "two");
        assert_eq!(shown(&set, Some("three.example")), "three");
        assert_eq!(shown(&set, Some("other.example")), "host");
    }
}
