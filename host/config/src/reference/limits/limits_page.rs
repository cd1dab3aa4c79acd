//! The reference page of limits.

use super::fixed_limits::{FIXED_LIMITS, FixedLimit};
use super::limit_row::{LimitRow, TenantLimit};
use super::rows::limit_rows;
use crate::limits::Limits;

const INTRODUCTION: &str = "\
# Limits

This page lists every limit. It is made from `host/config/src/reference/limits` by `narrowboat reference limits`.

The limits of the host are keys of `[limits]`, those of a tenant keys of `[tenants.NAME.limits]`, and those of
a plugin keys of `[plugins.NAME.limits]` or `[tenants.NAME.plugins.PLUGIN.limits]`. If several limits apply,
the narrowest one holds. A limit of the host or of a tenant on a shared resource holds for all their plugins
together. Names of metrics begin with `narrowboat_`, and `limits_reached` has the label `limit`.

| key | bounds | host | a tenant | a plugin | beyond it | metric |
|---|---|---|---|---|---|---|
";

const FIXED_HEADING: &str = "
No key changes these limits:

| limit | bounds | beyond it |
|---|---|---|
";

/// Returns the reference page of limits, which is `docs/reference/limits.md`.
pub fn limits_reference() -> String {
    let host = Limits::default();
    let rows: String = limit_rows().map(|row| format_row(row, &host)).collect();
    let fixed: String = FIXED_LIMITS.iter().map(format_fixed_limit).collect();
    format!("{INTRODUCTION}{rows}{FIXED_HEADING}{fixed}")
}

fn format_row(row: &LimitRow, host: &Limits) -> String {
    let LimitRow { key, description, on_reached, metric, .. } = row;
    let host_default = row.host_default.map_or_else(|| "–".to_owned(), |default| default(host));
    let tenant = match row.tenant {
        TenantLimit::Never => "–".to_owned(),
        TenantLimit::AsHost => "may have less".to_owned(),
        TenantLimit::Default(default) => default(host),
        TenantLimit::Described(default) => default.to_owned(),
    };
    let plugin = if row.plugin_may_set { "may have less" } else { "–" };
    format!(
        "| `{key}` | {description} | {host_default} | {tenant} | {plugin} | {on_reached} | {metric} |\n"
    )
}

fn format_fixed_limit(limit: &FixedLimit) -> String {
    let FixedLimit { value, description, on_reached } = limit;
    format!("| {value} | {description} | {on_reached} |\n")
}
