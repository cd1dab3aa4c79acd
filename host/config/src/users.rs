//! `[users]`: how the host authenticates clients.

mod jwt;
mod jwt_algorithm;
mod jwt_key_file;
mod token_location;
mod users_config;
mod webhook;
mod webhook_url;

pub use jwt::JwtConfig;
pub use jwt_algorithm::JwtAlgorithm;
pub use jwt_key_file::JwtKeyFile;
pub use token_location::TokenLocation;
pub use users_config::UsersConfig;
pub use webhook::WebhookConfig;
pub use webhook_url::WebhookUrl;

pub(super) use users_config::{RawUsers, check};
