//! `[tenants.NAME]`: closed worlds beside each other. What stands at the top of the file is the world `default`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::admin::{RawToken, TokenConfig, check_tokens};
use super::allow_lists;
use super::error::{ConfigError, Locator};
use super::layer::{self, LayerConfig};
use super::limits::Limits;
use super::plugin::{self, PluginConfig};
use super::quota::Quota;
use super::route::{self, RouteConfig};
use super::worker::{self, WorkerConfig};
use narrowboat_core::manifest::is_valid_plugin_name;
use narrowboat_core::name::Tenant;
use narrowboat_core::origin::{HostPattern, OriginPattern};

/// One tenant as the operator wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantConfig {
    /// Which requests are its.
    pub matcher: TenantMatcher,
    /// The origins that its handshakes may name; what the host allows if it is `None`.
    pub allowed_origins: Option<Vec<OriginPattern>>,
    /// Tried in order, first match wins.
    pub routes: Vec<RouteConfig>,
    /// Each for another channel of its plugin's layer.
    pub workers: Vec<WorkerConfig>,
    /// By the names that routes and workers use.
    pub plugins: BTreeMap<String, PluginConfig>,
    /// The channel layers by their names; [`DEFAULT_LAYER`](super::DEFAULT_LAYER) is always among them.
    pub layers: BTreeMap<String, LayerConfig>,
    /// What all its plugins together may use.
    pub limits: Quota,
    /// Who may ask the operator's interface about this tenant alone.
    pub tokens: Vec<TokenConfig>,
}

/// Which requests are a tenant's: those for one of its hosts, if it has any, and below its path, if it has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantMatcher {
    /// Names that a request has to go to one of.
    pub hosts: Vec<HostPattern>,
    /// What the decoded path begins with, without a slash at the end.
    pub path: Option<String>,
}

/// How closely an entrance fits a request: of several the greatest is meant.
pub type MatchSpecificity = (usize, usize);

impl TenantMatcher {
    /// How closely this is the entrance of a request, and what is left of its path for routes; `None` if it is not.
    pub fn match_request<'a>(
        &self,
        host: Option<&str>,
        path: &'a str,
    ) -> Option<(MatchSpecificity, &'a str)> {
        let named = if self.hosts.is_empty() {
            0
        } else {
            let host = host?;
            let fitting = self.hosts.iter().filter(|pattern| pattern.matches(host));
            fitting.map(specificity).max()?
        };
        let Some(prefix) = &self.path else { return Some(((named, 0), path)) };
        let rest = path.strip_prefix(prefix.as_str())?;
        let rest = if rest.is_empty() { "/" } else { rest };
        rest.starts_with('/').then_some(((named, prefix.len()), rest))
    }
}

/// A name of its own before a domain with all below it, and of domains the longest.
fn specificity(pattern: &HostPattern) -> usize {
    match pattern {
        HostPattern::Any => 1,
        HostPattern::DomainAndSubdomains(domain) => 1 + domain.len(),
        HostPattern::Exact(_) => usize::MAX,
    }
}

/// The tables that each tenant has, the one at the top included.
#[derive(Default)]
pub(super) struct RawTenantTables {
    pub(super) routes: Vec<Spanned<route::RawRoute>>,
    pub(super) workers: Vec<Spanned<worker::RawWorker>>,
    pub(super) plugins: BTreeMap<String, Spanned<plugin::RawPlugin>>,
    pub(super) layer: Option<Spanned<layer::RawLayer>>,
    pub(super) layers: BTreeMap<String, Spanned<layer::RawLayer>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTenant {
    hosts: allow_lists::RawPatternList,
    path: Option<Spanned<String>>,
    allowed_origins: allow_lists::RawPatternList,
    limits: Option<Spanned<Quota>>,
    #[serde(default)]
    tokens: Vec<Spanned<RawToken>>,
    #[serde(default)]
    routes: Vec<Spanned<route::RawRoute>>,
    #[serde(default)]
    workers: Vec<Spanned<worker::RawWorker>>,
    #[serde(default)]
    plugins: BTreeMap<String, Spanned<plugin::RawPlugin>>,
    layer: Option<Spanned<layer::RawLayer>>,
    #[serde(default)]
    layers: BTreeMap<String, Spanned<layer::RawLayer>>,
}

/// What all tenants of a file are checked with.
pub(super) struct TenantCheckContext<'a> {
    pub(super) limits: &'a Limits,
    pub(super) folder: &'a Path,
    /// Whether there is an interface that asks for tokens.
    pub(super) has_admin: bool,
}

/// Checks the tables at the top of the file, and those of every tenant.
pub(super) fn check_all(
    top: RawTenantTables,
    raw: BTreeMap<String, Spanned<RawTenant>>,
    common: &TenantCheckContext<'_>,
    location: &Locator<'_>,
) -> Result<BTreeMap<Tenant, TenantConfig>, ConfigError> {
    let default = top.check(&BTreeMap::new(), common, location)?;
    let shared = default.layers.clone();
    let mut tenants = BTreeMap::from([(Tenant::default_tenant(), default)]);
    for (name, raw) in raw {
        let (key, span) = (format!("tenants.{name}"), raw.span());
        let tenant =
            check_name(&name).map_err(|problem| location.invalid(span.clone(), &key, problem))?;
        let config = raw.into_inner().check(&shared, common, &location.for_tenant(&name))?;
        if config.matcher == TenantMatcher::default() {
            let problem = "needs `hosts = [\"acme.example.com\"]` or `path = \"/acme\"`, by which \
                           requests find it";
            return Err(location.invalid(span, &key, problem));
        }
        let twin = tenants.iter().find(|(_, other)| overlaps(&other.matcher, &config.matcher));
        if let Some((other, _)) = twin {
            let problem = format!("has a host and a path in common with the tenant {other}");
            return Err(location.invalid(span, &key, problem));
        }
        tenants.insert(tenant, config);
    }
    Ok(tenants)
}

/// A tenant's name stands in logs, figures, keys of Redis and names of folders.
fn check_name(name: &str) -> Result<Tenant, String> {
    let problem = || "a tenant's name is 1 to 64 of a-z, 0-9, `-` and `_`".to_owned();
    if name == Tenant::default_tenant().as_str() {
        return Err(
            "is the name of the tenant whose tables stand at the top of the file".to_owned()
        );
    }
    if !is_valid_plugin_name(name) {
        return Err(problem());
    }
    name.parse().map_err(|_| problem())
}

/// Whether some request fits both equally well.
fn overlaps(one: &TenantMatcher, other: &TenantMatcher) -> bool {
    let hosts = match (one.hosts.is_empty(), other.hosts.is_empty()) {
        (true, true) => true,
        (false, false) => one.hosts.iter().any(|host| other.hosts.contains(host)),
        _ => false,
    };
    hosts && one.path == other.path
}

impl RawTenantTables {
    /// Layers that it does not have itself it has as `shared` says, for itself.
    fn check(
        self,
        shared: &BTreeMap<String, LayerConfig>,
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
        })
    }
}

impl RawTenant {
    fn check(
        self,
        shared: &BTreeMap<String, LayerConfig>,
        common: &TenantCheckContext<'_>,
        location: &Locator<'_>,
    ) -> Result<TenantConfig, ConfigError> {
        let hosts = allow_lists::parse_patterns(self.hosts, "hosts", location)?.unwrap_or_default();
        let path = self.path.map(|path| check_path(&path, location)).transpose()?;
        let origins =
            allow_lists::parse_patterns(self.allowed_origins, "allowed_origins", location)?;
        if let (Some(token), false) = (self.tokens.first(), common.has_admin) {
            let problem = "tokens are for the operator's interface, for which there is no [admin]";
            return Err(location.invalid(token.span(), "tokens", problem));
        }
        let limits = Quota::check(self.limits, common.limits, "limits", location)?;
        let limits = limits.or(common.limits.default_tenant_quota());
        let tokens = check_tokens(self.tokens, "tokens", common.folder, location)?;
        let Self { routes, workers, plugins, layer, layers, .. } = self;
        let world = RawTenantTables { routes, workers, plugins, layer, layers };
        let config = world.check(shared, common, location)?;
        Ok(TenantConfig {
            matcher: TenantMatcher { hosts, path },
            allowed_origins: origins,
            limits,
            tokens,
            ..config
        })
    }
}

/// A path as `/acme`, with or without a slash at its end.
fn check_path(path: &Spanned<String>, location: &Locator<'_>) -> Result<String, ConfigError> {
    let text = path.get_ref().strip_suffix('/').unwrap_or(path.get_ref());
    let segments = text.strip_prefix('/').into_iter().flat_map(|rest| rest.split('/'));
    let legal = |segment: &str| !matches!(segment, "" | "." | "..");
    if text.starts_with('/') && segments.clone().all(legal) && !text.contains(['{', '}', '%']) {
        return Ok(text.to_owned());
    }
    let problem = "is what the paths of its requests begin with, such as \"/acme\"";
    Err(location.invalid(path.span(), "path", problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entrance(hosts: &[&str], path: Option<&str>) -> TenantMatcher {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        TenantMatcher { hosts, path: path.map(str::to_owned) }
    }

    #[test]
    fn a_path_is_a_whole_number_of_segments() {
        let acme = entrance(&[], Some("/acme"));
        let rest = |path| acme.match_request(None, path).map(|(_, rest)| rest);
        assert_eq!(rest("/acme/chat/"), Some("/chat/"));
        assert_eq!(rest("/acme"), Some("/"));
        for other in ["/acmes/chat/", "/", "/Acme/chat/", "//acme/chat/", "/x/../acme/chat/"] {
            assert_eq!(rest(other), None, "{other}");
        }
    }

    #[test]
    fn the_closest_entrance_is_meant() {
        let fit = |entrance: TenantMatcher| {
            entrance.match_request(Some("a.b.example"), "/x/y/").unwrap().0
        };
        let in_order = [
            entrance(&[], None),
            entrance(&[], Some("/x")),
            entrance(&["*"], None),
            entrance(&[".example"], Some("/x")),
            entrance(&[".b.example"], None),
            entrance(&["a.b.example"], None),
            entrance(&["a.b.example"], Some("/x")),
        ];
        let fits: Vec<_> = in_order.into_iter().map(fit).collect();
        assert!(fits.is_sorted() && fits[0] != fits[1], "{fits:?}");
    }

    #[test]
    fn a_request_without_a_host_is_for_none_that_has_one() {
        assert_eq!(entrance(&["a.example"], None).match_request(None, "/"), None);
        assert!(entrance(&["a.example"], None).match_request(Some("A.EXAMPLE"), "/").is_some());
    }
}
