//! The tokens of the admin API.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::token_error::TokenError;
use super::token_file::{TOKEN_FILE_KEY, read_or_create_token, read_token};
use narrowboat_config::{AdminConfig, SecretSource, TokenConfig, TokenScope, TokenSecret};
use narrowboat_core::sha256_digest::Sha256Digest;

/// The name of the token that the host generates.
const OPERATOR_TOKEN_NAME: &str = "operator";

/// The fewest characters of a token, which have 128 bits if each has 8. The tokens that the host makes have 43.
const MIN_TOKEN_CHARS: usize = 16;

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
        let source = SecretSource::File(config.token_file.clone());
        let mut tokens = vec![ApiToken {
            name: OPERATOR_TOKEN_NAME.into(),
            sha256: hash_token(operator_token, TOKEN_FILE_KEY, &source)?,
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
            let named_by = format!("{key}, {:?}", token.name);
            let sha256 = match &token.secret {
                TokenSecret::Sha256(sha256) => *sha256,
                TokenSecret::Env(secret) => {
                    hash_token(secret.expose().trim(), &named_by, secret.source())?
                }
                TokenSecret::File(file) => {
                    let source = SecretSource::File(file.clone());
                    hash_token(&read_token(file, &named_by)?, &named_by, &source)?
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

/// The SHA-256 of a token, whose length and characters are checked. `named_by` is the key that names its source.
fn hash_token(
    token: &str,
    named_by: &str,
    source: &SecretSource,
) -> Result<Sha256Digest, TokenError> {
    let (named_by, source_of) = (named_by.to_owned(), source.to_string());
    if token.chars().count() < MIN_TOKEN_CHARS {
        return Err(TokenError::TooShort { named_by, source_of, min: MIN_TOKEN_CHARS });
    }
    if !token.chars().all(|character| character == ' ' || character.is_ascii_graphic()) {
        return Err(TokenError::InvalidCharacter { named_by, source_of });
    }
    Ok(Sha256Digest::of(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Reads a list with a token in a file with this text.
    fn read(text: &str) -> Result<ApiTokens, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ci.token");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let (name, scopes) = ("ci".to_owned(), vec![TokenScope::Read]);
        let token = TokenConfig { name, secret: TokenSecret::File(file), scopes };
        ApiTokens::read_list(&[token], "admin.tokens").map_err(|error| error.to_string())
    }

    #[test]
    fn a_token_that_can_be_guessed_is_refused() {
        assert!(read("0123456789abcdef").is_ok());
        for short in ["a", "0123456789abcde", "  0123456789abcde \r\n"] {
            let error = read(short).unwrap_err();
            assert!(error.contains("admin.tokens, \"ci\": the token in the file "), "{error}");
            assert!(
                error.contains("fewer than 16 characters") && error.contains("openssl"),
                "{error}"
            );
            assert!(!error.contains("0123"), "{error}");
        }
    }

    #[test]
    fn a_token_that_no_request_can_send_is_refused() {
        for text in
            ["0123456789abcdef\n0123456789abcdef", "0123456789abcdef\u{e9}", "0123456789\0abcdef"]
        {
            let error = read(text).unwrap_err();
            assert!(error.contains("an HTTP header cannot have"), "{error}");
        }
        assert!(read(&"a".repeat(5_000)).unwrap_err().contains("more than 4096 bytes"));
    }

    #[test]
    fn whitespace_around_a_token_does_not_count() {
        let expected = Sha256Digest::of(b"0123456789abcdef");
        for text in ["0123456789abcdef\n", "0123456789abcdef\r\n", " 0123456789abcdef\n\n"] {
            assert!(read(text).unwrap().find_by_hash(expected).is_some(), "{text:?}");
        }
    }
}
