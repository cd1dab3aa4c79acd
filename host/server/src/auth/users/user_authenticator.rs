//! The authentication of users in the handshake.

use std::path::PathBuf;

use super::jwt_verifier::JwtVerifier;
use super::user_auth_error::UserAuthError;
use super::webhook::Webhook;
use narrowboat_config::UsersConfig;
use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_websocket::handshake::HandshakeRequest;

/// Finds out which user opens a connection.
pub struct UserAuthenticator {
    /// Whether a handshake without a known user is rejected.
    required: bool,
    jwt_verifier: Option<JwtVerifier>,
    webhook: Option<Webhook>,
}

impl UserAuthenticator {
    /// Reads the keys of tokens, and the root certificates for a webhook over TLS, where they are configured.
    ///
    /// # Errors
    /// The problem with them, and the file.
    pub fn load(config: UsersConfig) -> Result<Self, UserAuthError> {
        let UsersConfig { required, jwt, webhook } = config;
        let jwt_verifier = jwt.map(JwtVerifier::load).transpose()?;
        let webhook = webhook.map(Webhook::new).transpose().map_err(UserAuthError::Webhook)?;
        Ok(Self { required, jwt_verifier, webhook })
    }

    /// The files that may change while the host runs.
    pub fn files(&self) -> Vec<PathBuf> {
        self.jwt_verifier.iter().filter_map(JwtVerifier::key_file).collect()
    }

    /// Reads the keys again. If they cannot be read, the host keeps the keys that it has. Returns the problem, which the log
    /// has too.
    pub fn reload(&self) -> Option<String> {
        self.jwt_verifier.as_ref()?.reload()
    }

    /// Returns the claims of the user as JSON: those of the handshake's token, or else those that the webhook returns.
    /// `None` if neither knows a user and no user is required.
    ///
    /// # Errors
    /// 401 if the token is not valid, or if a user is required and unknown; the webhook's 401 or 403; 503 if the webhook
    /// does not respond.
    pub async fn authenticate(
        &self,
        request: &HandshakeRequest,
    ) -> Result<Option<String>, Rejection> {
        let mut claims = match &self.jwt_verifier {
            Some(verifier) => verifier.verified_claims(request)?,
            None => None,
        };
        if claims.is_none()
            && let Some(webhook) = &self.webhook
        {
            claims = webhook.fetch_claims(request).await?;
        }
        if claims.is_none() && self.required {
            return Err(HostRejection::MissingUser.into());
        }
        Ok(claims)
    }
}
