//! The checked settings of a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{TenantMatcher, TenantTlsConfig};
use crate::layer::LayerConfig;
use crate::plugin::PluginConfig;
use crate::quota::Quota;
use crate::route::RouteConfig;
use crate::token::TokenConfig;
use crate::worker::WorkerConfig;
use narrowboat_core::origin::OriginPattern;

/// The settings of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantConfig {
    /// The requests that belong to the tenant.
    pub matcher: TenantMatcher,
    /// The origins that its handshakes may name; `None`: those that the host allows.
    pub allowed_origins: Option<Vec<OriginPattern>>,
    /// The routes, which are tried in order. The first match wins.
    pub routes: Vec<RouteConfig>,
    /// The workers, each for another channel of its plugin's layer.
    pub workers: Vec<WorkerConfig>,
    /// The plugins, by the names that routes and workers use.
    pub plugins: BTreeMap<String, Box<PluginConfig>>,
    /// The channel layers by name. [`DEFAULT_LAYER`](crate::DEFAULT_LAYER) is always one of them.
    pub layers: BTreeMap<String, Arc<LayerConfig>>,
    /// The limits of all its plugins together.
    pub limits: Quota,
    /// The tokens for the admin API that are valid for this tenant alone.
    pub tokens: Vec<TokenConfig>,
    /// The certificate for its names; `None`: that of the host.
    pub tls: Option<TenantTlsConfig>,
}
