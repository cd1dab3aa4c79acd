//! Asking a site who somebody is: it gets the handshake's cookies, and answers with claims. That is how a session of
//! Django logs in.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use ureq::Agent;

use super::object::Object;
use narrowboat_config::WebhookConfig;
use narrowboat_core::answer::Rejection;
use narrowboat_egress::authorities::tls_for;
use narrowboat_websocket::handshake::Opening;

/// Questions at a time; further handshakes wait, as long as a handshake may take.
const AT_ONCE: usize = 64;

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;

/// A site that knows its users.
pub(super) struct Webhook {
    agent: Agent,
    config: WebhookConfig,
    asking: Arc<Semaphore>,
}

/// What a site answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Webhook {
    pub(super) fn new(config: WebhookConfig) -> io::Result<Self> {
        let agent = Agent::config_builder()
            .tls_config(tls_for(config.url.as_str())?)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(config.timeout.duration()))
            .build();
        Ok(Self { agent: agent.into(), config, asking: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// The claims of whoever opens a socket, as JSON; `None` if the site knows nobody.
    ///
    /// # Errors
    /// What the site says against it, and 503 where it says nothing that can be understood.
    pub(super) async fn ask(&self, opening: &Opening) -> Result<Option<String>, Rejection> {
        let Ok(permit) = Arc::clone(&self.asking).acquire_owned().await else { return Err(away()) };
        let mut request = self.agent.get(self.config.url.as_str());
        for name in &self.config.headers {
            for value in opening.values(name) {
                request = request.header(name, value);
            }
        }
        let request = request.header("x-forwarded-for", opening.client().ip().to_string());
        let asked = spawn_blocking(move || {
            let _permit = permit;
            let mut response = request.call()?;
            let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
            Ok::<_, ureq::Error>(Answer { status: response.status().as_u16(), body })
        });
        match asked.await {
            Ok(Ok(answer)) => self.understand(&answer),
            Ok(Err(error)) => Err(self.misunderstood(&error.to_string())),
            // It panicked, which has been reported, or the host is going away.
            Err(_) => Err(away()),
        }
    }

    fn understand(&self, answer: &Answer) -> Result<Option<String>, Rejection> {
        match answer.status {
            // Handed on as it came, so that a number of any length stays what it is.
            200 => match Object::parse(&answer.body).map(|_| String::from_utf8_lossy(&answer.body))
            {
                Ok(claims) => Ok(Some(claims.into_owned())),
                Err(error) => Err(self.misunderstood(&format!("no object of JSON: {error}"))),
            },
            204 => Ok(None),
            status @ (401 | 403) => {
                Err(Rejection::plain(status, "the site does not let you open this\n"))
            }
            status => Err(self.misunderstood(&format!("an answer of {status}"))),
        }
    }

    fn misunderstood(&self, what: &str) -> Rejection {
        tracing::warn!("users.webhook: {}: {what}", self.config.url);
        away()
    }
}

fn away() -> Rejection {
    Rejection::plain(503, "who you are cannot be found out now\n").with_header("retry-after", "1")
}
