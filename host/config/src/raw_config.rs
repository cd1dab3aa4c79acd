//! The file as it is written, before its tables are checked against each other.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::limits::Limits;
use super::listen_address::{DEFAULT_LISTEN, ListenAddress};
use super::requests::RequestsConfig;
use super::{
    admin, allow_lists, cache, keyvalue, layer, plugin, proxy, route, signatures, tenant, tls,
    traces, users, versions, watch_mode, worker,
};

/// All keys and tables of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(default = "default_listen")]
    pub(super) listen: ListenAddress,
    #[serde(default)]
    pub(super) watch: watch_mode::RawWatchMode,
    #[serde(default)]
    pub(super) demo: bool,
    pub(super) allowed_hosts: allow_lists::RawPatternList,
    pub(super) allowed_origins: allow_lists::RawPatternList,
    #[serde(default)]
    pub(super) routes: Vec<Spanned<route::RawRoute>>,
    #[serde(default)]
    pub(super) workers: Vec<Spanned<worker::RawWorker>>,
    #[serde(default)]
    pub(super) plugins: BTreeMap<String, Box<Spanned<plugin::RawPlugin>>>,
    #[serde(default = "default_limits")]
    pub(super) limits: Spanned<Limits>,
    pub(super) layer: Option<Spanned<layer::RawLayer>>,
    #[serde(default)]
    pub(super) layers: BTreeMap<String, Spanned<layer::RawLayer>>,
    #[serde(default)]
    pub(super) tenants: BTreeMap<String, Spanned<tenant::RawTenant>>,
    #[serde(default)]
    pub(super) keyvalue: keyvalue::RawKeyvalue,
    #[serde(default = "default_requests")]
    pub(super) http_client: Spanned<RequestsConfig>,
    pub(super) tls: Option<tls::RawTls>,
    pub(super) signatures: Option<signatures::RawSignatures>,
    pub(super) proxy: Option<proxy::RawProxy>,
    pub(super) users: Option<Spanned<users::RawUsers>>,
    pub(super) admin: Option<admin::RawAdmin>,
    pub(super) versions: Option<versions::RawVersions>,
    pub(super) traces: Option<traces::RawTraces>,
    #[serde(default)]
    pub(super) cache: cache::RawCache,
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
