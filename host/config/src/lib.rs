//! The configuration of the host, `narrowboat.toml`: it is read once into checked values. Signatures of components,
//! which the configuration may require, are here too.

mod admin;
mod allow_lists;
mod available_memory;
mod base_directories;
mod cache;
mod capacity_rule;
mod config;
mod cron_schedule;
mod error;
mod exposed_files;
mod grants;
mod keyvalue;
mod layer;
mod layer_backend;
mod limits;
mod listen_address;
mod pem_source;
mod plugin;
mod proxy;
mod quota;
mod quota_defaults;
mod raw_config;
mod redis_endpoint;
mod redis_hosts;
mod redis_login;
mod redis_prefix;
mod reference;
mod requests;
mod route;
mod secret;
pub mod signature;
mod signatures;
mod startup_keys;
mod tenant;
mod tls;
mod token;
mod token_scope;
mod traces;
mod users;
mod versions;
mod warnings;
mod watch_mode;
mod worker;

pub use admin::AdminConfig;
pub use allow_lists::AllowLists;
pub use cache::CacheConfig;
pub use capacity_rule::CapacityRule;
pub use config::Config;
pub use cron_schedule::{CronSchedule, CronZone};
pub use error::{ConfigError, SourceLocation, closest_match};
pub use grants::Grants;
pub use keyvalue::{KeyvalueBackend, KeyvalueConfig};
pub use layer::{DEFAULT_LAYER, LayerConfig};
pub use layer_backend::{
    LayerBackend, RedisAccess, RedisConfig, RedisHost, RedisServer, RedisTls, Serializer,
};
pub use limits::{Limits, MAX_TIMERS};
pub use listen_address::{DEFAULT_LISTEN, ListenAddress};
pub use pem_source::PemSource;
pub use plugin::{
    FailedMovePolicy, HIDDEN_SECRET, MAX_SETTING_KEY_BYTES, MAX_SETTING_VALUE_BYTES, MAX_SETTINGS,
    OverflowPolicy, PluginConfig, PluginSource, PluginUse, RollbackPolicy, SettingProblem,
    SettingsConfig, flatten_settings,
};
pub use proxy::ProxyConfig;
pub use quota::Quota;
pub use redis_endpoint::Endpoint;
pub use redis_login::RedisLogin;
pub use reference::{
    ConfigKey, ConfigTable, KeyDefault, LimitRow, TenantLimit, config_tables,
    configuration_reference, escape_cell, expand_template, limit_rows, limits_reference,
    manifest_reference, manifest_tables,
};
pub use requests::RequestsConfig;
pub use route::{DeflateMode, RouteConfig, RoutePattern};
pub use secret::{Secret, SecretChanges, SecretError, SecretSource, SecretStore, SecretText};
pub use signatures::{KeyFile, SignaturesConfig};
pub use tenant::{MatchSpecificity, TenantConfig, TenantMatcher, TenantTlsConfig};
pub use tls::TlsConfig;
pub use token::{TokenConfig, TokenSecret};
pub use token_scope::TokenScope;
pub use traces::TracesConfig;
pub use users::{
    JwtAlgorithm, JwtConfig, JwtKeyFile, TokenLocation, UsersConfig, WebhookConfig, WebhookUrl,
};
pub use versions::VersionsConfig;
pub use watch_mode::WatchMode;
pub use worker::{CronConfig, WorkerConfig};
