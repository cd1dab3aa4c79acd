//! The operator's interface, on a listener of its own: JSON behind tokens, two probes, figures and a page.

mod api_error;
mod auth;
mod concurrency;
mod config_reload;
mod connections;
mod drain;
mod logs;
mod page;
mod plugins;
mod publish;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use auth::TokenError;
pub(super) use auth::{ApiTokens, OperatorTokens};
pub use auth::{TOKEN_FILE_KEY, read as read_token};

use super::{Server, handle_accept_error};
use crate::api::{self, ProblemKind};
use crate::background_writer::BackgroundWriter;
use crate::log_buffer::LogBuffer;
use api_error::ApiError;
use concurrency::ConcurrencyLimit;
use narrowboat_config::AdminConfig;

/// Who may ask at once.
const MAX_CONNECTIONS: usize = 128;

/// Changes of a version at a time, and those of a tenant's tokens; each has a component in memory until it is tried.
const MAX_CONCURRENT_DEPLOYS: (usize, usize) = (6, 2);

/// Who may follow the log at a time, and of those with a tenant's token. Each has a connection for as long.
const MAX_LOG_FOLLOWERS: (usize, usize) = (64, 8);

/// How long a request's head may take.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the operator's tools ask, and who may.
#[derive(Debug)]
pub struct AdminServer {
    listener: TcpListener,
    tokens: ApiTokens,
    hosts: Vec<String>,
    max_upload: usize,
    log_buffer: LogBuffer,
    output_writers: Vec<BackgroundWriter>,
}

/// What every answer is made of.
struct AdminState {
    server: Arc<Server>,
    hosts: Vec<String>,
    max_upload: usize,
    deploy_limit: Arc<ConcurrencyLimit>,
    follower_limit: Arc<ConcurrencyLimit>,
    log_buffer: LogBuffer,
    /// Where the host writes to.
    output_writers: Vec<BackgroundWriter>,
}

impl AdminServer {
    /// Reads the tokens, and makes the operator's own if there is none yet. `streams` are where the host writes to.
    ///
    /// # Errors
    /// When a token cannot be read, or could be by others.
    pub fn open(
        listener: TcpListener,
        config: &AdminConfig,
        journal: LogBuffer,
        streams: Vec<BackgroundWriter>,
    ) -> Result<Self, TokenError> {
        if listener.local_addr().is_ok_and(|address| !address.ip().is_loopback()) {
            tracing::warn!("[admin] listens beyond this machine in plain HTTP, tokens and all");
        }
        let (hosts, max_upload) = (config.hosts.clone(), config.max_upload.bytes());
        Ok(Self {
            listener,
            tokens: ApiTokens::read_or_create(config)?,
            hosts,
            max_upload,
            log_buffer: journal,
            output_writers: streams,
        })
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(self, server: Arc<Server>) {
        let Self {
            listener,
            tokens,
            hosts,
            max_upload,
            log_buffer: journal,
            output_writers: streams,
        } = self;
        let changes = ConcurrencyLimit::new(MAX_CONCURRENT_DEPLOYS.0, MAX_CONCURRENT_DEPLOYS.1);
        let followers = ConcurrencyLimit::new(MAX_LOG_FOLLOWERS.0, MAX_LOG_FOLLOWERS.1);
        server.host.operator_tokens().replace(tokens);
        let admin = AdminState {
            server,
            hosts,
            max_upload,
            deploy_limit: changes,
            follower_limit: followers,
            log_buffer: journal,
            output_writers: streams,
        };
        let router = build_router(Arc::new(admin));
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
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = served.await {
        tracing::debug!("of the operator's tools: {error}");
    }
}

/// What is said of the interface as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Narrowboat",
        description = "The operator's interface of a Narrowboat host. Every path below /v1 and /metrics needs a \
                       token, as `Authorization: Bearer TOKEN`, with the scope that its description names; the \
                       scope `admin` allows everything, and each scope allows what `read` does."
    ),
    components(schemas(api::Problem))
)]
struct ApiDoc;

fn api_router() -> OpenApiRouter<Arc<AdminState>> {
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(status::healthz))
        .routes(routes!(status::readyz))
        .routes(routes!(status::metrics))
        .routes(routes!(status::status))
        .routes(routes!(plugins::versions, plugins::deploy))
        .routes(routes!(plugins::rollback))
        .routes(routes!(plugins::approve))
        .routes(routes!(connections::connections))
        .routes(routes!(connections::close))
        .routes(routes!(publish::publish))
        .routes(routes!(drain::drain))
        .routes(routes!(config_reload::reload))
        .routes(routes!(logs::logs))
}

fn build_router(admin: Arc<AdminState>) -> Router {
    let (router, document) = api_router().split_for_parts();
    let document = document.to_pretty_json().unwrap_or_default();
    router
        .route("/openapi.json", get(move || async { page::json_response(document) }))
        .merge(page::routes())
        .fallback(async || {
            ApiError::not_found("there is no such path; /openapi.json lists those there are")
        })
        .method_not_allowed_fallback(async || {
            let error = "this path is not asked by this method; `Allow` lists those it is";
            ApiError::new(ProblemKind::MethodNotAllowed, error)
        })
        .layer(middleware::from_fn(set_security_headers))
        .with_state(admin)
}

/// Says with every answer that no other page may show or guess at it.
async fn set_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    page::insert_security_headers(response.headers_mut());
    response
}
