//! Asking a site who somebody is: it gets the handshake's cookies, and answers with claims. That is how a session of
//! Django logs in.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use ureq::Agent;

use super::unique_object::UniqueObject;
use narrowboat_config::WebhookConfig;
use narrowboat_core::handshake_response::Rejection;
use narrowboat_egress::root_certificates::tls_config_for;
use narrowboat_websocket::handshake::HandshakeRequest;

/// Questions at a time; further handshakes wait, as long as a handshake may take.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// The longest answer, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// A site that knows its users.
pub(super) struct Webhook {
    agent: Agent,
    config: WebhookConfig,
    request_permits: Arc<Semaphore>,
}

/// What a site answered.
struct WebhookResponse {
    status: u16,
    body: Vec<u8>,
}

impl Webhook {
    pub(super) fn new(config: WebhookConfig) -> io::Result<Self> {
        let agent = Agent::config_builder()
            .tls_config(tls_config_for(config.url.as_str())?)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(config.timeout.duration()))
            .build();
        Ok(Self {
            agent: agent.into(),
            config,
            request_permits: Arc::new(Semaphore::new(MAX_CONCURRENT_REQUESTS)),
        })
    }

    /// The claims of whoever opens a socket, as JSON; `None` if the site knows nobody.
    ///
    /// # Errors
    /// What the site says against it, and 503 where it says nothing that can be understood.
    pub(super) async fn fetch_claims(
        &self,
        opening: &HandshakeRequest,
    ) -> Result<Option<String>, Rejection> {
        let Ok(permit) = Arc::clone(&self.request_permits).acquire_owned().await else {
            return Err(unavailable());
        };
        let mut request = self.agent.get(self.config.url.as_str());
        for name in &self.config.headers {
            for value in opening.header_values(name) {
                request = request.header(name, value);
            }
        }
        let request = request.header("x-forwarded-for", opening.client_addr().ip().to_string());
        let asked = spawn_blocking(move || {
            let _permit = permit;
            let mut response = request.call()?;
            let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
            Ok::<_, ureq::Error>(WebhookResponse { status: response.status().as_u16(), body })
        });
        match asked.await {
            Ok(Ok(answer)) => self.parse_response(&answer),
            Ok(Err(error)) => Err(self.invalid_response(&error.to_string())),
            // It panicked, which has been reported, or the host is going away.
            Err(_) => Err(unavailable()),
        }
    }

    fn parse_response(&self, answer: &WebhookResponse) -> Result<Option<String>, Rejection> {
        match answer.status {
            // Handed on as it came, so that a number of any length stays what it is.
            200 => match UniqueObject::parse(&answer.body)
                .map(|_| String::from_utf8_lossy(&answer.body))
            {
                Ok(claims) => Ok(Some(claims.into_owned())),
                Err(error) => Err(self.invalid_response(&format!("no object of JSON: {error}"))),
            },
            204 => Ok(None),
            status @ (401 | 403) => Err(Rejection::plain_text(status, "access denied\n")),
            status => Err(self.invalid_response(&format!("an answer of {status}"))),
        }
    }

    fn invalid_response(&self, what: &str) -> Rejection {
        tracing::warn!("users.webhook: {}: {what}", self.config.url);
        unavailable()
    }
}

fn unavailable() -> Rejection {
    Rejection::plain_text(503, "authentication service unavailable\n")
        .with_header("retry-after", "1")
}
