//! `narrowboat.toml`: what the operator decides. Parsed once into values that cannot be wrong.

mod admin;
mod allow_lists;
mod base_directories;
mod cache;
mod error;
mod grants;
mod keyvalue;
mod layer;
mod layer_backend;
mod limits;
mod listen_address;
mod plugin;
mod proxy;
mod quota;
mod redis_hosts;
mod reference;
mod requests;
mod route;
pub mod signature;
mod signatures;
mod tenant;
mod tls;
mod traces;
mod users;
mod versions;
mod warnings;
mod watch_mode;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::{Spanned, Table, Value};

pub use admin::{AdminConfig, TokenConfig, TokenScope, TokenSecret};
pub use allow_lists::AllowLists;
pub use cache::CacheConfig;
pub use error::{ConfigError, SourceLocation};
pub use grants::Grants;
pub use keyvalue::{KeyvalueBackend, KeyvalueConfig};
pub use layer::{CapacityRule, DEFAULT_LAYER, LayerConfig};
pub use layer_backend::{
    Endpoint, LayerBackend, RedisAccess, RedisConfig, RedisHost, RedisServer, RedisTls, Secret,
    Serializer,
};
pub use limits::{Limits, MAX_TIMERS};
pub use listen_address::ListenAddress;
pub use plugin::{
    FailedMovePolicy, OverflowPolicy, PluginConfig, PluginSource, PluginUse, RollbackPolicy,
};
pub use proxy::ProxyConfig;
pub use quota::Quota;
pub use reference::{LimitRow, limit_rows, limits_reference};
pub use requests::RequestsConfig;
pub use route::{DeflateMode, RouteConfig, RoutePattern};
pub use signatures::{KeyFile, SignaturesConfig};
pub use tenant::{MatchSpecificity, TenantConfig, TenantMatcher};
pub use tls::TlsConfig;
pub use traces::TracesConfig;
pub use users::{JwtAlgorithm, JwtConfig, JwtKeyFile, TokenLocation, UsersConfig, WebhookConfig};
pub use versions::VersionsConfig;
pub use watch_mode::WatchMode;
pub use worker::WorkerConfig;

use error::Locator;
pub use error::closest_match;
use narrowboat_core::name::Tenant;
use narrowboat_core::sha256_digest::Sha256Digest;

/// Where the host listens unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8000);

/// The operator's decisions, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from, if that is to be read again while the host runs.
    pub file: Option<PathBuf>,
    /// The hash of what is written in it.
    pub digest: Sha256Digest,
    /// Where to accept sockets; port 0 takes a free one.
    pub listen: ListenAddress,
    /// How changed components are noticed, if they are to be.
    pub watch: Option<WatchMode>,
    /// Whether browsers are shown the demo page at `/`.
    pub demo: bool,
    /// What handshakes may say of where they come from and go to.
    pub allow_lists: AllowLists,
    /// The closed worlds there are; [`Tenant::default_tenant`], whose tables stand at the top of the file, is always
    /// among them.
    pub tenants: BTreeMap<Tenant, TenantConfig>,
    /// How the host learns who somebody is; `None` if it does not.
    pub users: Option<UsersConfig>,
    /// The proxies before this host; `None` where clients come themselves.
    pub proxy: Option<ProxyConfig>,
    /// Who has to have signed every component; `None` if nobody has to.
    pub signatures: Option<SignaturesConfig>,
    /// The certificate that clients are shown; `None` where they come in the clear.
    pub tls: Option<TlsConfig>,
    /// Bounds of the host and defaults of the plugins.
    pub limits: Limits,
    /// Where plugins keep keys and values, if they may.
    pub keyvalue: KeyvalueConfig,
    /// Bounds of the requests that plugins make, if they may.
    pub requests: RequestsConfig,
    /// Where the operator's tools ask, if anywhere.
    pub admin: Option<AdminConfig>,
    /// Where traces are sent, if they are.
    pub traces: Option<TracesConfig>,
    /// Where the versions that plugins have had are kept; `None` if they are not.
    pub versions: Option<VersionsConfig>,
    /// Where compiled code is kept; `None` if it is not.
    pub cache: Option<CacheConfig>,
    /// What of the file only a start reads: the hash of each key's value, which may be a secret.
    startup_only: BTreeMap<String, Sha256Digest>,
}

/// The file as it is written, before its parts are held against each other.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    #[serde(default = "default_listen")]
    listen: ListenAddress,
    #[serde(default)]
    watch: watch_mode::RawWatchMode,
    #[serde(default)]
    demo: bool,
    allowed_hosts: allow_lists::RawPatternList,
    allowed_origins: allow_lists::RawPatternList,
    #[serde(default)]
    routes: Vec<Spanned<route::RawRoute>>,
    #[serde(default)]
    workers: Vec<Spanned<worker::RawWorker>>,
    #[serde(default)]
    plugins: BTreeMap<String, Spanned<plugin::RawPlugin>>,
    #[serde(default = "default_limits")]
    limits: Spanned<Limits>,
    layer: Option<Spanned<layer::RawLayer>>,
    #[serde(default)]
    layers: BTreeMap<String, Spanned<layer::RawLayer>>,
    #[serde(default)]
    tenants: BTreeMap<String, Spanned<tenant::RawTenant>>,
    #[serde(default)]
    keyvalue: keyvalue::RawKeyvalue,
    #[serde(default = "default_requests")]
    http_client: Spanned<RequestsConfig>,
    tls: Option<tls::RawTls>,
    signatures: Option<signatures::RawSignatures>,
    proxy: Option<proxy::RawProxy>,
    users: Option<Spanned<users::RawUsers>>,
    admin: Option<admin::RawAdmin>,
    versions: Option<versions::RawVersions>,
    traces: Option<traces::RawTraces>,
    #[serde(default)]
    cache: cache::RawCache,
}

fn default_listen() -> ListenAddress {
    DEFAULT_LISTEN.into()
}

fn default_requests() -> Spanned<RequestsConfig> {
    Spanned::new(0..0, RequestsConfig::default())
}

fn default_limits() -> Spanned<Limits> {
    Spanned::new(0..0, Limits::default())
}

impl Config {
    /// Reads and checks a configuration file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// With file, line, key and what would be right.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let config = Self::read(file)?;
        // What strangers bring, or do not, is no error of the operator's.
        if let Some(own) = config.tenants.get(&Tenant::default_tenant()) {
            own.plugins.iter().try_for_each(|(name, plugin)| plugin.check_source_exists(name))?;
        }
        Ok(config)
    }

    /// Reads and checks a configuration file, whether or not what it names is there.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, file)
    }

    /// Checks the text of a configuration; `file` is for messages and as the base of its paths.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let location = Locator { file, text, key_prefix: String::new() };
        let deserializer =
            toml::Deserializer::parse(text).map_err(|error| location.syntax_error(None, &error))?;
        let raw: RawConfig = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            location.syntax_error(Some(error.path().to_string()), error.inner())
        })?;
        let folder = file.parent().map_or_else(PathBuf::new, Path::to_owned);
        raw.limits.get_ref().check().map_err(|(key, problem)| {
            let place = location.find_key(raw.limits.span(), key);
            location.invalid(place, &format!("limits.{key}"), problem)
        })?;
        let (routes, workers, plugins) = (raw.routes, raw.workers, raw.plugins);
        let top = tenant::RawTenantTables {
            routes,
            workers,
            plugins,
            layer: raw.layer,
            layers: raw.layers,
        };
        let limits = raw.limits.get_ref();
        let common =
            tenant::TenantCheckContext { limits, folder: &folder, has_admin: raw.admin.is_some() };
        let tenants = tenant::check_all(top, raw.tenants, &common, &location)?;
        let signatures = raw.signatures.map(|raw| raw.check(&folder, &location)).transpose()?;
        if signatures.is_some() {
            let plugins = tenants.values().flat_map(|tenant| &tenant.plugins);
            for (name, plugin) in plugins {
                signatures::reject_crate_source(name, plugin)?;
            }
        }
        // Who deploys from elsewhere needs a place to deploy to.
        let wanted =
            raw.versions.or_else(|| raw.admin.as_ref().map(|_| versions::RawVersions::default()));
        let versions = wanted.map(|raw| raw.check(file, &folder, &location)).transpose()?;
        let state = versions.as_ref().map_or(&folder, |versions| &versions.folder);
        let admin = raw.admin.map(|raw| raw.check(&folder, state, &location)).transpose()?;
        if admin.as_ref().is_some_and(|admin| admin.listen == raw.listen && raw.listen.port() != 0)
        {
            let problem =
                format!("is {} as `listen` is; one of them needs another port", raw.listen);
            let place = text.find("[admin]").unwrap_or_default();
            return Err(location.invalid(place..place, "admin.listen", problem));
        }
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
            tls: raw.tls.map(|raw| raw.into_config(&folder)),
            limits: raw.limits.into_inner(),
            keyvalue: raw.keyvalue.check(&folder, &location)?,
            requests: requests::check(raw.http_client, &location)?,
            admin,
            traces: raw.traces.map(|raw| raw.check(&location)).transpose()?,
            versions,
            cache: raw.cache.check(&folder, &location)?,
            startup_only: hash_startup_keys(text),
        })
    }

    /// The keys at the top of two files that differ in what only a start reads.
    pub fn changed_startup_keys(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<_> = self.startup_only.keys().chain(other.startup_only.keys()).collect();
        let differ = keys
            .into_iter()
            .filter(|key| self.startup_only.get(*key) != other.startup_only.get(*key));
        differ.cloned().collect()
    }
}

/// The tables and keys that tenants are made of.
const RELOADABLE_KEYS: [&str; 6] = ["tenants", "routes", "workers", "plugins", "layer", "layers"];

/// The keys of `[admin]` that say who may ask, which is read again with the tenants.
const RELOADABLE_ADMIN_KEYS: [&str; 2] = ["token_file", "tokens"];

/// What of a file only a start reads.
fn hash_startup_keys(text: &str) -> BTreeMap<String, Sha256Digest> {
    let mut table: Table = toml::from_str(text).unwrap_or_default();
    if let Some(Value::Table(admin)) = table.get_mut("admin") {
        RELOADABLE_ADMIN_KEYS.iter().for_each(|key| drop(admin.remove(*key)));
    }
    let fixed = table.into_iter().filter(|(key, _)| !RELOADABLE_KEYS.contains(&key.as_str()));
    fixed.map(|(key, value)| (key, Sha256Digest::of(format!("{value:?}").as_bytes()))).collect()
}
