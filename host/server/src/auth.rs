//! Authentication: users of WebSocket clients, and tokens of the admin API.

mod accepted_tokens;
mod token_error;
mod token_file;
mod tokens;
pub mod users;

pub(crate) use accepted_tokens::AcceptedTokens;
pub use token_error::TokenError;
pub use token_file::{TOKEN_FILE_KEY, read_token};
pub(crate) use tokens::{ApiToken, ApiTokens};
