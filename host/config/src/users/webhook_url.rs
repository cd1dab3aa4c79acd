//! `url` of `[users.webhook]`.

use std::fmt;

use url::Url;

use crate::secret::{Secret, SecretSource};

/// The address of the site that the host asks for users. It may have a secret, so that neither `Debug` nor `Display` shows
/// a login, a query or, for an address that is not in the configuration file, anything of it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    secret: Secret,
    /// The address when the configuration was read.
    initial: Url,
}

impl WebhookUrl {
    /// The address in this secret; `None` if that is not an address with http or https. A secret without a value, which the
    /// host does not use, has any address.
    pub(super) fn parse(secret: Secret) -> Option<Self> {
        let text = secret.value();
        let initial = parse_http_url(text.as_deref().unwrap_or("http://localhost/"))?;
        Some(Self { secret, initial })
    }

    /// The address of this moment. If it cannot be used, the one from the start.
    pub fn current(&self) -> Url {
        let current = parse_http_url(&self.secret.expose());
        let current = current.filter(|url| url.scheme() == self.initial.scheme());
        current.unwrap_or_else(|| self.initial.clone())
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.secret.source() {
            SecretSource::Inline => {
                let host = self.initial.host_str().unwrap_or_default();
                write!(f, "{}://{host}", self.initial.scheme())?;
                if let Some(port) = self.initial.port() {
                    write!(f, ":{port}")?;
                }
                f.write_str(self.initial.path())
            }
            source => write!(f, "the address in {source}"),
        }
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookUrl({self})")
    }
}

fn parse_http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}
