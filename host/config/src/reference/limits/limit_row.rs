//! A row of the reference page of limits.

use std::fmt::Display;

use crate::limits::Limits;

/// The metric that counts most limits.
pub(super) const LIMITS_REACHED: &str = "`limits_reached`";

/// The metric of limits that close a connection.
pub(super) const CONNECTIONS_CLOSED: &str = "`connections_closed`, by code";

/// A limit that the operator may set, as a row of the reference page of limits.
#[derive(Debug, Clone, Copy)]
pub struct LimitRow {
    /// The key in the tables of limits.
    pub key: &'static str,
    /// The limited quantity, and its unit.
    pub description: &'static str,
    /// Formats the default of the key in `[limits]`; `None` if `[limits]` does not have the key.
    pub host_default: Option<fn(&Limits) -> String>,
    /// Whether `[tenants.NAME.limits]` may set the key, and its default there.
    pub tenant: TenantLimit,
    /// Whether `[plugins.NAME.limits]` may set the key.
    pub plugin_may_set: bool,
    /// The effect at the limit.
    pub on_reached: &'static str,
    /// The metrics that count it, without `narrowboat_`; `–` if there is none.
    pub metric: &'static str,
}

/// A limit in `[tenants.NAME.limits]`.
#[derive(Debug, Clone, Copy)]
pub enum TenantLimit {
    /// The table does not have the key.
    Never,
    /// The table may narrow the limit of the host, which is the default.
    AsHost,
    /// The default is a value that depends on the limits of the host.
    Default(fn(&Limits) -> String),
    /// The default, in words.
    Described(&'static str),
}

impl LimitRow {
    /// Returns whether `[tenants.NAME.limits]` may set the key.
    pub fn tenant_may_set(&self) -> bool {
        !matches!(self.tenant, TenantLimit::Never)
    }
}

/// Formats a default of a tenant, which is set for every key that uses this function.
pub(super) fn format_default(value: Option<impl Display>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| value.to_string())
}
