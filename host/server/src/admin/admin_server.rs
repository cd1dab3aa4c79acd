//! The listener of the admin API.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::admin_state::AdminState;
use super::concurrency::ConcurrencyLimit;
use super::routes::build_router;
use crate::accept_error::handle_accept_error;
use crate::auth::{ApiTokens, TokenError};
use crate::background_writer::BackgroundWriter;
use crate::log_buffer::LogBuffer;
use crate::server::Server;
use narrowboat_config::AdminConfig;

/// Connections that are served at a time; further ones wait.
const MAX_CONNECTIONS: usize = 128;

/// Uploads at a time, of all tenants together or of the operator, and of one tenant. Rollbacks and approvals have the same
/// bounds for themselves. Each holds a component in memory.
const MAX_CONCURRENT_DEPLOYS: (usize, usize) = (6, 2);

/// Requests that follow the log at a time, of all tenants together or of the operator, and with the tokens of one tenant. Each holds a connection.
const MAX_LOG_FOLLOWERS: (usize, usize) = (64, 8);

/// How long the head of a request may take.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The admin API before it serves: its listener and its tokens.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    tokens: ApiTokens,
    hosts: Vec<String>,
    max_upload: usize,
    log_buffer: LogBuffer,
    output_writers: Vec<BackgroundWriter>,
}

impl AdminServer {
    /// Reads the tokens, and generates the operator's own if there is none yet. `output_writers` are the writers of
    /// standard output and standard error.
    ///
    /// # Errors
    /// If the file of a token cannot be used or created.
    pub fn open(
        listener: TcpListener,
        config: &AdminConfig,
        log_buffer: LogBuffer,
        output_writers: Vec<BackgroundWriter>,
    ) -> Result<Self, TokenError> {
        if listener.local_addr().is_ok_and(|address| !address.ip().is_loopback()) {
            tracing::warn!(
                "[admin] listens beyond this machine: tokens travel in plain HTTP; put TLS in front of it"
            );
        }
        Ok(Self {
            listener,
            tokens: ApiTokens::read_or_create(config)?,
            hosts: config.hosts.clone(),
            max_upload: config.max_upload.bytes(),
            log_buffer,
            output_writers,
        })
    }

    /// Serves the admin API until the future is dropped.
    pub(crate) async fn serve(self, server: Arc<Server>) {
        let Self { listener, tokens, hosts, max_upload, log_buffer, output_writers } = self;
        server.host.operator_tokens().replace(tokens);
        let state = AdminState {
            server,
            hosts,
            max_upload,
            upload_limit: ConcurrencyLimit::new(MAX_CONCURRENT_DEPLOYS.0, MAX_CONCURRENT_DEPLOYS.1),
            rollback_limit: ConcurrencyLimit::new(
                MAX_CONCURRENT_DEPLOYS.0,
                MAX_CONCURRENT_DEPLOYS.1,
            ),
            follower_limit: ConcurrencyLimit::new(MAX_LOG_FOLLOWERS.0, MAX_LOG_FOLLOWERS.1),
            log_buffer,
            output_writers,
        };
        let router = build_router(Arc::new(state));
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    handle_accept_error(&error).await;
                    continue;
                }
            };
            let router = router.clone();
            tokio::spawn(async move {
                serve_connection(stream, router).await;
                drop(permit);
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection to the admin API failed");
    }
}
