//! The tokens of the admin API.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::token_error::TokenError;
use super::token_file::{TOKEN_FILE_KEY, read_or_create_token, read_token};
use narrowboat_config::{AdminConfig, TokenConfig, TokenScope, TokenSecret};
use narrowboat_core::sha256_digest::Sha256Digest;

/// The name of the token that the host generates.
const OPERATOR_TOKEN_NAME: &str = "operator";

/// The tokens of the operator or of one tenant.
#[derive(Debug, PartialEq)]
pub(crate) struct ApiTokens(Vec<ApiToken>);

/// A token of the admin API.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiToken {
    /// The name of the token, for the log.
    pub(crate) name: Arc<str>,
    /// The SHA-256 of the token's text.
    sha256: Sha256Digest,
    /// The scopes that the token has.
    pub(crate) scopes: Vec<TokenScope>,
}

impl ApiTokens {
    /// Reads the operator's tokens, and generates the host's own if its file does not exist.
    ///
    /// # Errors
    /// If the file of a token cannot be used or created.
    pub(crate) fn read_or_create(config: &AdminConfig) -> Result<Self, TokenError> {
        Self::with_operator(&read_or_create_token(&config.token_file)?, config)
    }

    /// Reads the operator's tokens.
    ///
    /// # Errors
    /// If the file of a token cannot be used.
    pub(crate) fn read(config: &AdminConfig) -> Result<Self, TokenError> {
        Self::with_operator(&read_token(&config.token_file, TOKEN_FILE_KEY)?, config)
    }

    fn with_operator(operator_token: &str, config: &AdminConfig) -> Result<Self, TokenError> {
        let mut tokens = vec![ApiToken {
            name: OPERATOR_TOKEN_NAME.into(),
            sha256: Sha256Digest::of(operator_token.as_bytes()),
            scopes: vec![TokenScope::Admin],
        }];
        tokens.extend(Self::read_list(&config.tokens, "admin.tokens")?.0);
        Ok(Self(tokens))
    }

    /// Reads the tokens of a list in the configuration, which is the value of `key`.
    ///
    /// # Errors
    /// If the file of a token cannot be used.
    pub(crate) fn read_list(list: &[TokenConfig], key: &str) -> Result<Self, TokenError> {
        let read = |token: &TokenConfig| {
            let sha256 = match &token.secret {
                TokenSecret::Sha256(sha256) => *sha256,
                TokenSecret::Env(secret) => Sha256Digest::of(secret.expose().trim().as_bytes()),
                TokenSecret::File(file) => {
                    let named_by = format!("{key}, {:?}", token.name);
                    Sha256Digest::of(read_token(file, &named_by)?.as_bytes())
                }
            };
            let (name, scopes) = (token.name.as_str().into(), token.scopes.clone());
            Ok(ApiToken { name, sha256, scopes })
        };
        list.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The token with this SHA-256. Takes the same time whether or not there is one, so that the time tells nothing.
    pub(crate) fn find_by_hash(&self, sha256: Sha256Digest) -> Option<&ApiToken> {
        let mut found = None;
        for token in &self.0 {
            if bool::from(token.sha256.as_bytes().ct_eq(sha256.as_bytes())) {
                found = Some(token);
            }
        }
        found
    }
}
