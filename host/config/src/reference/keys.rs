//! Every key of `narrowboat.toml` as data, a file for each table at the top of the file.

mod admin;
mod cache;
mod http_client;
mod keyvalue;
mod layers;
mod limits;
mod plugins;
mod proxy;
mod routes;
mod signatures;
mod tenants;
mod tls;
mod top_level;
mod traces;
mod users;
mod versions;
mod workers;

use super::config_table::ConfigTable;

const TABLES: &[ConfigTable] = &[
    top_level::TOP_LEVEL,
    plugins::PLUGINS,
    plugins::PLUGINS_LIMITS,
    plugins::PLUGINS_GRANTS,
    plugins::PLUGINS_ROLLBACK,
    routes::ROUTES,
    workers::WORKERS,
    limits::LIMITS,
    layers::LAYER,
    tenants::TENANTS,
    tenants::TENANTS_LIMITS,
    tenants::TENANTS_TLS,
    keyvalue::KEYVALUE,
    http_client::HTTP_CLIENT,
    tls::TLS,
    users::USERS,
    users::USERS_JWT,
    users::USERS_WEBHOOK,
    signatures::SIGNATURES,
    proxy::PROXY,
    admin::ADMIN,
    admin::ADMIN_TOKENS,
    versions::VERSIONS,
    traces::TRACES,
    cache::CACHE,
];

/// Returns every table of the configuration file, in the order of the reference page. `tests/reference.rs` compares
/// their keys and defaults with those that the host reads.
pub fn config_tables() -> &'static [ConfigTable] {
    TABLES
}
