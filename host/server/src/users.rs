//! Who somebody is: what a token in the handshake says, or a site that is asked.

mod claims;
mod header;
mod jwk;
mod keys;
mod object;
mod tokens;
mod webhook;

use std::path::PathBuf;

use thiserror::Error;

use narrowboat_config::UsersConfig;
use narrowboat_core::answer::Rejection;
use narrowboat_websocket::handshake::Opening;
use tokens::Tokens;
use webhook::Webhook;

/// How the host learns who opens a socket.
pub struct Users {
    required: bool,
    tokens: Option<Tokens>,
    webhook: Option<Webhook>,
}

/// Why nobody can be known.
#[derive(Debug, Error)]
pub enum UsersError {
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
    Site(std::io::Error),
}

impl Users {
    /// Reads the keys, if there are to be any, and by whom a site is known that speaks TLS.
    ///
    /// # Errors
    /// What is wrong with them, and in which file.
    pub fn load(config: UsersConfig) -> Result<Self, UsersError> {
        let UsersConfig { required, jwt, webhook } = config;
        let tokens = jwt.map(Tokens::load).transpose()?;
        let webhook = webhook.map(Webhook::new).transpose().map_err(UsersError::Site)?;
        Ok(Self { required, tokens, webhook })
    }

    /// The files that may change while the host runs.
    pub fn files(&self) -> Vec<PathBuf> {
        self.tokens.iter().map(Tokens::file).collect()
    }

    /// Reads the keys anew; what cannot be read leaves those that were.
    pub fn renew(&self) {
        self.tokens.iter().for_each(Tokens::renew);
    }

    /// Who opens a socket: claims as JSON, of the handshake's token or else of the site that is asked. `None` if
    /// neither knows, and need not.
    ///
    /// # Errors
    /// 401 for a token that is not believed, or where somebody has to be known; what the site says against it, and
    /// 503 where it does not answer.
    pub async fn who(&self, opening: &Opening) -> Result<Option<String>, Rejection> {
        let mut user = match &self.tokens {
            Some(tokens) => tokens.claims(opening)?,
            None => None,
        };
        if user.is_none()
            && let Some(webhook) = &self.webhook
        {
            user = webhook.ask(opening).await?;
        }
        if user.is_none() && self.required {
            return Err(unknown("it has to be known who you are"));
        }
        Ok(user)
    }
}

/// RFC 6750, section 3.
fn unknown(why: &str) -> Rejection {
    Rejection::plain(401, format!("{why}\n")).with_header("www-authenticate", "Bearer")
}
