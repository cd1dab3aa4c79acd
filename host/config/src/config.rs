//! The checked configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::admin::AdminConfig;
use super::allow_lists::{self, AllowLists};
use super::cache::CacheConfig;
use super::error::{ConfigError, Locator};
use super::keyvalue::KeyvalueConfig;
use super::limits::Limits;
use super::listen_address::ListenAddress;
use super::proxy::ProxyConfig;
use super::raw_config::RawConfig;
use super::requests::{self, RequestsConfig};
use super::secret::SecretStore;
use super::signatures::{self, SignaturesConfig};
use super::startup_keys::hash_startup_keys;
use super::tenant::{self, TenantConfig};
use super::tls::TlsConfig;
use super::traces::TracesConfig;
use super::users::{self, UsersConfig};
use super::versions::{self, RawVersions, VersionsConfig};
use super::watch_mode::WatchMode;
use narrowboat_core::name::Tenant;
use narrowboat_core::sha256_digest::Sha256Digest;

/// The configuration of a host, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that the configuration was read from; `None` if the host cannot read it again.
    pub file: Option<PathBuf>,
    /// The hash of the file's text.
    pub digest: Sha256Digest,
    /// The address that the host listens on; with port 0 it takes a free port.
    pub listen: ListenAddress,
    /// How the host notices changed files; `None`: it does not look.
    pub watch: Option<WatchMode>,
    /// Whether the host serves the demo page at `/`.
    pub demo: bool,
    /// The hosts and origins that a handshake may name.
    pub allow_lists: AllowLists,
    /// The tenants. [`Tenant::default_tenant`], to which the tables at the top of the file belong, is always one of
    /// them.
    pub tenants: BTreeMap<Tenant, Arc<TenantConfig>>,
    /// How the host authenticates clients; `None`: it does not.
    pub users: Option<UsersConfig>,
    /// The trusted proxies before this host; `None`: clients connect directly.
    pub proxy: Option<ProxyConfig>,
    /// The keys that must have signed every component; `None`: components need no signature.
    pub signatures: Option<SignaturesConfig>,
    /// The certificate of the host; `None`: clients connect without TLS.
    pub tls: Option<TlsConfig>,
    /// The limits of the host, and the defaults of its plugins.
    pub limits: Limits,
    /// Where plugins store keys and values.
    pub keyvalue: KeyvalueConfig,
    /// The limits of HTTP requests of plugins.
    pub requests: RequestsConfig,
    /// The admin API; `None`: there is none.
    pub admin: Option<AdminConfig>,
    /// The collector of traces; `None`: the host sends none.
    pub traces: Option<TracesConfig>,
    /// The store of plugin versions; `None`: the host keeps none.
    pub versions: Option<VersionsConfig>,
    /// The cache of compiled code; `None`: there is none.
    pub cache: Option<CacheConfig>,
    /// The secrets in the environment and in files.
    pub secrets: SecretStore,
    /// The keys that the host reads only at start, and the hash of the value of each.
    startup_keys: BTreeMap<String, Sha256Digest>,
}

impl Config {
    /// Reads and checks a configuration file, and checks that the file or folder of each plugin of the tenant
    /// `default` exists. Paths in the file are relative to its folder.
    ///
    /// # Errors
    /// If the file cannot be read or has an error. The error has the file, the line, the key and what to write instead.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::load_with(file, &SecretStore::reading())
    }

    /// Reads and checks a configuration file as [`Config::load`] does, for a host that has the secrets in `secrets`. A
    /// secret that it has and that cannot be read any more keeps its value.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(file: &Path, secrets: &SecretStore) -> Result<Self, ConfigError> {
        let config = Self::parse_with(&read_text(file)?, file, secrets)?;
        // A missing component of another tenant must not keep the host from starting.
        if let Some(default) = config.tenants.get(&Tenant::default_tenant()) {
            default
                .plugins
                .iter()
                .try_for_each(|(name, plugin)| plugin.check_source_exists(name))?;
        }
        Ok(config)
    }

    /// Reads and checks a configuration file, but neither the files that it names nor its secrets.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read_text(file)?, file)
    }

    /// Checks the text of a configuration. Messages name `file`, and paths in the text are relative to its folder. Secrets
    /// in the environment and in files are not read.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        Self::parse_with(text, file, &SecretStore::offline())
    }

    /// Checks the text of a configuration whose secrets `secrets` reads.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse_with(text: &str, file: &Path, secrets: &SecretStore) -> Result<Self, ConfigError> {
        // First, because the memory of this second parse is used again by the other one.
        let startup_keys = hash_startup_keys(text);
        let location = Locator::new(file, text, secrets);
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_owned);
        let mut raw = deserialize(&location)?;
        check_limits(&raw, &location)?;
        let tenants = check_tenants(&mut raw, &folder, &location)?;
        let signatures =
            raw.signatures.take().map(|raw| raw.check(&folder, &location)).transpose()?;
        if signatures.is_some() {
            signatures::reject_unsigned_sources(&tenants)?;
        }
        let (versions, admin) = check_admin(&mut raw, &folder, &location)?;
        let state = versions.as_ref().map(|versions| versions.folder.clone());
        let state = state.or_else(versions::systemd_state_folder);
        Ok(Self {
            file: Some(file.to_owned()),
            digest: Sha256Digest::of(text.as_bytes()),
            listen: raw.listen,
            watch: raw.watch.mode(),
            demo: raw.demo,
            allow_lists: allow_lists::check(raw.allowed_hosts, raw.allowed_origins, &location)?,
            tenants,
            users: raw.users.map(|raw| users::check(raw, &folder, &location)).transpose()?,
            proxy: raw.proxy.map(|raw| raw.check(&location)).transpose()?,
            signatures,
            tls: raw.tls.map(|raw| raw.check(&folder, &location)).transpose()?,
            limits: raw.limits.into_inner(),
            keyvalue: raw.keyvalue.check(&folder, state.as_deref(), &location)?,
            requests: requests::check(raw.http_client, &location)?,
            admin,
            traces: raw.traces.map(|raw| raw.check(&location)).transpose()?,
            versions,
            cache: raw.cache.check(&folder, &location)?,
            secrets: secrets.clone(),
            startup_keys,
        })
    }

    /// Returns the keys at the top of the file that differ from those of `other` and that the host reads only at start.
    pub fn changed_startup_keys(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<_> = self.startup_keys.keys().chain(other.startup_keys.keys()).collect();
        let is_changed =
            |key: &&String| self.startup_keys.get(*key) != other.startup_keys.get(*key);
        keys.into_iter().filter(is_changed).cloned().collect()
    }
}

fn read_text(file: &Path) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(file);
    text.map_err(|source| ConfigError::Read { file: file.to_owned(), source })
}

/// Parses the text into the tables of the file.
fn deserialize(location: &Locator<'_>) -> Result<RawConfig, ConfigError> {
    let deserializer = toml::Deserializer::parse(location.text)
        .map_err(|error| location.syntax_error(None, &error))?;
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| location.syntax_error(Some(error.path().to_string()), error.inner()))
}

/// Checks `[limits]`.
fn check_limits(raw: &RawConfig, location: &Locator<'_>) -> Result<(), ConfigError> {
    raw.limits.get_ref().check().map_err(|(key, problem)| {
        let place = location.find_key(raw.limits.span(), key);
        location.invalid(place, &format!("limits.{key}"), problem)
    })
}

/// Checks the tables of all tenants, those at the top of the file included.
fn check_tenants(
    raw: &mut RawConfig,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<BTreeMap<Tenant, Arc<TenantConfig>>, ConfigError> {
    let top = tenant::RawTenantTables {
        routes: take(&mut raw.routes),
        workers: take(&mut raw.workers),
        plugins: take(&mut raw.plugins),
        layer: raw.layer.take(),
        layers: take(&mut raw.layers),
    };
    let tenants = take(&mut raw.tenants);
    let context = tenant::TenantCheckContext {
        limits: raw.limits.get_ref(),
        // Once, because it reads the memory and the cores of the machine.
        default_quota: raw.limits.get_ref().default_tenant_quota(),
        folder,
        has_admin: raw.admin.is_some(),
        has_tls: raw.tls.is_some(),
    };
    tenant::check_all(top, tenants, &context, location)
}

/// Checks `[versions]` and `[admin]`. The admin API needs a version store, since it deploys versions.
fn check_admin(
    raw: &mut RawConfig,
    folder: &Path,
    location: &Locator<'_>,
) -> Result<(Option<VersionsConfig>, Option<AdminConfig>), ConfigError> {
    let (raw_versions, raw_admin) = (raw.versions.take(), raw.admin.take());
    let raw_versions = raw_versions.or_else(|| raw_admin.as_ref().map(|_| RawVersions::default()));
    let versions =
        raw_versions.map(|raw| raw.check(location.file, folder, location)).transpose()?;
    let state_folder = versions.as_ref().map_or(folder, |versions| &versions.folder);
    let admin = raw_admin.map(|raw| raw.check(folder, state_folder, location)).transpose()?;
    if let Some(admin) = &admin {
        check_listeners(&raw.listen, admin, location)?;
    }
    Ok((versions, admin))
}

/// Checks that clients and operators do not connect to the same address.
fn check_listeners(
    listen: &ListenAddress,
    admin: &AdminConfig,
    location: &Locator<'_>,
) -> Result<(), ConfigError> {
    if admin.listen != *listen || listen.port() == 0 {
        return Ok(());
    }
    let problem = format!(
        "is {listen}, the same as the key `listen` at the top; give one of them another port"
    );
    let place = location.text.find("[admin]").unwrap_or_default();
    Err(location.invalid(place..place, "admin.listen", problem))
}
