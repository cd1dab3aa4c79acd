//! Who somebody is: what a token in the handshake says, or a site that is asked.

mod claims;
mod jose_header;
mod jwk;
mod jwt_verifier;
mod unique_object;
mod verification_keys;
mod webhook;

use std::path::PathBuf;

use thiserror::Error;

use jwt_verifier::JwtVerifier;
use narrowboat_config::UsersConfig;
use narrowboat_core::handshake_response::Rejection;
use narrowboat_websocket::handshake::HandshakeRequest;
use webhook::Webhook;

/// How the host learns who opens a socket.
pub struct UserAuthenticator {
    required: bool,
    jwt_verifier: Option<JwtVerifier>,
    webhook: Option<Webhook>,
}

/// Why nobody can be known.
#[derive(Debug, Error)]
pub enum UserAuthError {
    /// There are no keys to check tokens with.
    #[error("users.jwt.{key}: {}: {problem}", file.display())]
    Keys {
        /// The configuration's key.
        key: &'static str,
        /// The file it names.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The site that is to be asked could not be told from another.
    #[error("users.webhook.url: {0}")]
    Webhook(std::io::Error),
}

impl UserAuthenticator {
    /// Reads the keys, if there are to be any, and by whom a site is known that speaks TLS.
    ///
    /// # Errors
    /// What is wrong with them, and in which file.
    pub fn load(config: UsersConfig) -> Result<Self, UserAuthError> {
        let UsersConfig { required, jwt, webhook } = config;
        let tokens = jwt.map(JwtVerifier::load).transpose()?;
        let webhook = webhook.map(Webhook::new).transpose().map_err(UserAuthError::Webhook)?;
        Ok(Self { required, jwt_verifier: tokens, webhook })
    }

    /// The files that may change while the host runs.
    pub fn files(&self) -> Vec<PathBuf> {
        self.jwt_verifier.iter().map(JwtVerifier::key_file).collect()
    }

    /// Reads the keys anew; what cannot be read leaves those that were.
    pub fn reload(&self) {
        self.jwt_verifier.iter().for_each(JwtVerifier::reload);
    }

    /// Who opens a socket: claims as JSON, of the handshake's token or else of the site that is asked. `None` if
    /// neither knows, and need not.
    ///
    /// # Errors
    /// 401 for a token that is not believed, or where somebody has to be known; what the site says against it, and
    /// 503 where it does not answer.
    pub async fn authenticate(
        &self,
        opening: &HandshakeRequest,
    ) -> Result<Option<String>, Rejection> {
        let mut user = match &self.jwt_verifier {
            Some(tokens) => tokens.verified_claims(opening)?,
            None => None,
        };
        if user.is_none()
            && let Some(webhook) = &self.webhook
        {
            user = webhook.fetch_claims(opening).await?;
        }
        if user.is_none() && self.required {
            return Err(unauthorized("it has to be known who you are"));
        }
        Ok(user)
    }
}

/// RFC 6750, section 3.
fn unauthorized(why: &str) -> Rejection {
    Rejection::plain_text(401, format!("{why}\n")).with_header("www-authenticate", "Bearer")
}
