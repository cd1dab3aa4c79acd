//! References to secrets in `hosts`.

use toml::Value;

use super::{RedisHostError, RedisHostParser};
use crate::layer_backend::{RedisAccess, RedisServer};
use crate::redis_login::UrlLogin;
use crate::secret::{Secret, SecretSource};

impl RedisHostParser<'_> {
    /// Parses a URL in the environment or in a file.
    pub(super) fn parse_url_secret(
        &self,
        key: &str,
        source: SecretSource,
    ) -> Result<RedisServer, RedisHostError> {
        let secret = self.read_secret(key, source)?;
        let Some(url) = secret.value() else { return Ok(RedisServer::default()) };
        // The error of a URL may repeat parts of it.
        let Ok(mut server) = self.parse_url(&url) else {
            let problem = format!("{} is not a URL such as redis://HOST:6379/0", secret.source());
            return self.fail(key, problem);
        };
        let login = UrlLogin::new(secret);
        server.access =
            RedisAccess { username: None, password: None, url_login: Some(login), ..server.access };
        Ok(server)
    }

    /// Returns the secret of a source. `key` is named in errors.
    pub(super) fn read_secret(
        &self,
        key: &str,
        source: SecretSource,
    ) -> Result<Secret, RedisHostError> {
        self.secrets.secret(source).or_else(|error| self.fail(key, error.to_string()))
    }

    /// Parses `{ env = "NAME" }` or `{ file = "PATH" }`; `None` if the value is neither.
    pub(super) fn parse_reference(&self, value: &Value) -> Option<SecretSource> {
        SecretSource::parse(value.as_table()?, self.folder)
    }
}
