//! The webhook that authenticates users: a site gets the cookies of the handshake and responds with claims. In this way
//! the session of a Django site authenticates a WebSocket.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use ureq::Agent;

use super::unique_object::UniqueObject;
use narrowboat_config::WebhookConfig;
use narrowboat_core::handshake_response::{HostRejection, Rejection};
use narrowboat_egress::root_certificates::tls_config_for;
use narrowboat_websocket::handshake::HandshakeRequest;

/// Requests at a time; further handshakes wait, at most for `handshake_timeout`.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// The longest response, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024;

/// A client of the site that authenticates users.
pub(super) struct Webhook {
    agent: Agent,
    config: WebhookConfig,
    request_permits: Arc<Semaphore>,
}

/// The response of the site.
struct WebhookResponse {
    status: u16,
    body: Vec<u8>,
}

impl Webhook {
    /// Creates the client.
    ///
    /// # Errors
    /// If the root certificates cannot be read.
    pub(super) fn new(config: WebhookConfig) -> io::Result<Self> {
        let agent = Agent::config_builder()
            .tls_config(tls_config_for(config.url.current().as_str())?)
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

    /// Returns the claims of the user as JSON; `None` if the site responds with 204.
    ///
    /// # Errors
    /// The status of the site if that is 401 or 403; 503 for any other response, and if there is none.
    pub(super) async fn fetch_claims(
        &self,
        handshake: &HandshakeRequest,
    ) -> Result<Option<String>, Rejection> {
        let Ok(permit) = Arc::clone(&self.request_permits).acquire_owned().await else {
            return Err(HostRejection::WebhookUnavailable.into());
        };
        let mut request = self.agent.get(self.config.url.current().as_str());
        for name in &self.config.headers {
            for value in handshake.header_values(name) {
                request = request.header(name, value);
            }
        }
        let request = request.header("x-forwarded-for", handshake.client_addr().ip().to_string());
        let response = spawn_blocking(move || {
            let _permit = permit;
            let mut response = request.call()?;
            let body = response.body_mut().with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
            Ok::<_, ureq::Error>(WebhookResponse { status: response.status().as_u16(), body })
        });
        match response.await {
            Ok(Ok(response)) => self.parse_response(&response),
            Ok(Err(error)) => Err(self.invalid_response(&error.to_string())),
            // The task panicked, which is in the log, or the host stops.
            Err(_) => Err(HostRejection::WebhookUnavailable.into()),
        }
    }

    fn parse_response(&self, response: &WebhookResponse) -> Result<Option<String>, Rejection> {
        match response.status {
            // Passed on byte for byte, so that numbers keep all digits.
            200 => {
                match UniqueObject::parse(&response.body)
                    .map(|_| String::from_utf8_lossy(&response.body))
                {
                    Ok(claims) => Ok(Some(claims.into_owned())),
                    Err(error) => Err(self
                        .invalid_response(&format!("the response is not a JSON object: {error}"))),
                }
            }
            204 => Ok(None),
            401 => Err(HostRejection::UnauthorizedByWebhook.into()),
            403 => Err(HostRejection::ForbiddenByWebhook.into()),
            status => Err(self.invalid_response(&format!("the response has the status {status}"))),
        }
    }

    /// Logs the problem with the response of the site, and returns the response for the client.
    fn invalid_response(&self, problem: &str) -> Rejection {
        tracing::warn!(url = %self.config.url, problem, "users.webhook failed");
        HostRejection::WebhookUnavailable.into()
    }
}
