//! The tables of tenants as the file has them, and their checks.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::tenant_tls::{RawTenantTls, TenantTlsConfig, check_tls};
use super::{TenantConfig, TenantMatcher};
use crate::allow_lists;
use crate::error::{ConfigError, Locator};
use crate::layer::{self, LayerConfig};
use crate::limits::Limits;
use crate::plugin;
use crate::quota::Quota;
use crate::route;
use crate::token::{RawToken, check_tokens};
use crate::worker;
use narrowboat_core::manifest::is_valid_plugin_name;
use narrowboat_core::name::Tenant;

/// The tables that each tenant has. Those at the top of the file belong to the tenant `default`.
#[derive(Default)]
pub(crate) struct RawTenantTables {
    pub(crate) routes: Vec<Spanned<route::RawRoute>>,
    pub(crate) workers: Vec<Spanned<worker::RawWorker>>,
    pub(crate) plugins: BTreeMap<String, Box<Spanned<plugin::RawPlugin>>>,
    pub(crate) layer: Option<Spanned<layer::RawLayer>>,
    pub(crate) layers: BTreeMap<String, Spanned<layer::RawLayer>>,
}

/// `[tenants.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTenant {
    hosts: allow_lists::RawPatternList,
    path: Option<Spanned<String>>,
    allowed_origins: allow_lists::RawPatternList,
    limits: Option<Spanned<Quota>>,
    #[serde(default)]
    tokens: Vec<Spanned<RawToken>>,
    tls: Option<Spanned<RawTenantTls>>,
    #[serde(default)]
    routes: Vec<Spanned<route::RawRoute>>,
    #[serde(default)]
    workers: Vec<Spanned<worker::RawWorker>>,
    #[serde(default)]
    plugins: BTreeMap<String, Box<Spanned<plugin::RawPlugin>>>,
    layer: Option<Spanned<layer::RawLayer>>,
    #[serde(default)]
    layers: BTreeMap<String, Spanned<layer::RawLayer>>,
}

/// The settings of the host that the checks of tenants need.
pub(crate) struct TenantCheckContext<'a> {
    /// The limits of the host.
    pub(crate) limits: &'a Limits,
    /// The limits of a tenant whose table does not set them.
    pub(crate) default_quota: Quota,
    /// The folder of the configuration, which paths are relative to.
    pub(crate) folder: &'a Path,
    /// Whether the file has an `[admin]` table.
    pub(crate) has_admin: bool,
    /// Whether the file has a `[tls]` table.
    pub(crate) has_tls: bool,
}

/// Checks the tables at the top of the file, and those of every tenant.
pub(crate) fn check_all(
    top: RawTenantTables,
    raw: BTreeMap<String, Spanned<RawTenant>>,
    common: &TenantCheckContext<'_>,
    location: &Locator<'_>,
) -> Result<BTreeMap<Tenant, Arc<TenantConfig>>, ConfigError> {
    let default = top.check(&BTreeMap::new(), common, location)?;
    let shared = default.layers.clone();
    let mut tenants = BTreeMap::from([(Tenant::default_tenant(), Arc::new(default))]);
    // By path, so that a thousand tenants need not be compared with each other.
    let mut by_path = BTreeMap::from([(None, vec![Tenant::default_tenant()])]);
    for (name, raw) in raw {
        let (key, span) = (format!("tenants.{name}"), raw.span());
        let tenant =
            check_name(&name).map_err(|problem| location.invalid(span.clone(), &key, problem))?;
        let config = raw.into_inner().check(&shared, common, &location.for_tenant(&name))?;
        if config.matcher == TenantMatcher::default() {
            let problem = "needs `hosts = [\"acme.example.com\"]` or `path = \"/acme\"` for the requests that \
                           belong to it";
            return Err(location.invalid(span, &key, problem));
        }
        let same_path = by_path.entry(config.matcher.path.clone()).or_default();
        let overlaps = |other: &&Tenant| {
            tenants.get(*other).is_some_and(|other| other.matcher.overlaps(&config.matcher))
        };
        if let Some(other) = same_path.iter().find(overlaps) {
            let problem = format!(
                "has a host and a path in common with the tenant {other}; change `hosts` or `path` of one of them"
            );
            return Err(location.invalid(span, &key, problem));
        }
        let names = config.tls.iter().flat_map(|tls| &tls.hosts);
        let of = |tls: &TenantTlsConfig| names.clone().find(|name| tls.hosts.contains(name));
        let shared_name = tenants
            .iter()
            .find_map(|(other, config)| Some((other, config.tls.as_ref().and_then(of)?)));
        if let Some((other, name)) = shared_name {
            let problem = format!(
                "has the name {name} in common with the tenant {other}; only one tenant may have a certificate for it"
            );
            return Err(location.invalid(span, &format!("{key}.tls.hosts"), problem));
        }
        same_path.push(tenant.clone());
        tenants.insert(tenant, Arc::new(config));
    }
    Ok(tenants)
}

/// Parses a tenant's name. The name is part of log lines, metrics, Redis keys and folder names.
fn check_name(name: &str) -> Result<Tenant, String> {
    let problem =
        || "the name of a tenant must have 1 to 64 characters of a-z, 0-9, `-` and `_`".to_owned();
    if name == Tenant::default_tenant().as_str() {
        return Err(
            "is the tenant of the tables at the top of the file; choose another name".to_owned()
        );
    }
    if !is_valid_plugin_name(name) {
        return Err(problem());
    }
    name.parse().map_err(|_| problem())
}

impl RawTenantTables {
    /// Checks the tables. Layers that the tenant does not define have the settings in `shared`.
    fn check(
        self,
        shared: &BTreeMap<String, Arc<LayerConfig>>,
        common: &TenantCheckContext<'_>,
        location: &Locator<'_>,
    ) -> Result<TenantConfig, ConfigError> {
        let layers = layer::check_all(self.layer, self.layers, shared, common.folder, location)?;
        let mut plugins = plugin::check_all(self.plugins, common.limits, common.folder, location)?;
        for (name, plugin) in &plugins {
            plugin.check_layer(name, layers.keys())?;
        }
        let routes = route::check_all(self.routes, &mut plugins, location)?;
        let workers = worker::check_all(self.workers, &mut plugins, &layers, location)?;
        Ok(TenantConfig {
            matcher: TenantMatcher::default(),
            allowed_origins: None,
            routes,
            workers,
            plugins,
            layers,
            limits: Quota::default(),
            tokens: Vec::new(),
            tls: None,
        })
    }
}

impl RawTenant {
    fn check(
        self,
        shared: &BTreeMap<String, Arc<LayerConfig>>,
        common: &TenantCheckContext<'_>,
        location: &Locator<'_>,
    ) -> Result<TenantConfig, ConfigError> {
        let hosts = allow_lists::parse_patterns(self.hosts, "hosts", location)?.unwrap_or_default();
        let path = self.path.map(|path| check_path(&path, location)).transpose()?;
        let origins =
            allow_lists::parse_patterns(self.allowed_origins, "allowed_origins", location)?;
        if let (Some(token), false) = (self.tokens.first(), common.has_admin) {
            let problem = "tokens need the admin API; add a table [admin], or remove the tokens";
            return Err(location.invalid(token.span(), "tokens", problem));
        }
        let limits = Quota::check(self.limits, common.limits, "limits", location)?;
        let limits = limits.or(common.default_quota);
        let tokens = check_tokens(self.tokens, "tokens", common.folder, location)?;
        let tls =
            self.tls.map(|raw| check_tls(raw, &hosts, common.has_tls, common.folder, location));
        let Self { routes, workers, plugins, layer, layers, .. } = self;
        let tables = RawTenantTables { routes, workers, plugins, layer, layers };
        let config = tables.check(shared, common, location)?;
        Ok(TenantConfig {
            matcher: TenantMatcher { hosts, path },
            allowed_origins: origins,
            limits,
            tokens,
            tls: tls.transpose()?,
            ..config
        })
    }
}

/// Parses a path such as `/acme`, with or without a slash at the end.
fn check_path(path: &Spanned<String>, location: &Locator<'_>) -> Result<String, ConfigError> {
    let text = path.get_ref().strip_suffix('/').unwrap_or(path.get_ref());
    let segments = text.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
    let is_valid = |segment: &str| !matches!(segment, "" | "." | "..");
    if text.starts_with('/') && segments.clone().all(is_valid) && !text.contains(['{', '}', '%']) {
        return Ok(text.to_owned());
    }
    let problem = "must be the beginning of a path, such as \"/acme\", without `{`, `}`, `%` and empty segments";
    Err(location.invalid(path.span(), "path", problem))
}
