//! The users of WebSocket clients: from a token in the handshake, or from a webhook.

mod claims;
mod jose_header;
mod jwk;
mod jwt_error;
mod jwt_verifier;
mod unique_object;
mod user_auth_error;
mod user_authenticator;
mod verification_key;
mod verification_keys;
mod webhook;

pub use user_auth_error::UserAuthError;
pub use user_authenticator::UserAuthenticator;
