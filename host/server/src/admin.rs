//! The operator's interface, on a listener of its own: JSON behind tokens, two probes, figures and a page.

mod auth;
mod connections;
mod drain;
mod logs;
mod page;
mod plugins;
mod problem;
mod publish;
mod reread;
mod status;
mod turns;

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
pub(super) use auth::{Operators, Tokens};
pub use auth::{TOKEN_FILE, read as read_token};

use super::{Server, rest};
use crate::api::{self, ProblemKind};
use crate::background_writer::BackgroundWriter;
use crate::journal::Journal;
use narrowboat_config::AdminConfig;
use problem::Refusal;
use turns::Turns;

/// Who may ask at once.
const CONNECTIONS: usize = 128;

/// Changes of a version at a time, and those of a tenant's tokens; each has a component in memory until it is tried.
const CHANGES: (usize, usize) = (6, 2);

/// Who may follow the log at a time, and of those with a tenant's token. Each has a connection for as long.
const FOLLOWERS: (usize, usize) = (64, 8);

/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(10);

/// Where the operator's tools ask, and who may.
#[derive(Debug)]
pub struct AdminPort {
    listener: TcpListener,
    tokens: Tokens,
    hosts: Vec<String>,
    max_upload: usize,
    journal: Journal,
    streams: Vec<BackgroundWriter>,
}

/// What every answer is made of.
struct Admin {
    server: Arc<Server>,
    hosts: Vec<String>,
    max_upload: usize,
    changes: Arc<Turns>,
    followers: Arc<Turns>,
    journal: Journal,
    /// Where the host writes to.
    streams: Vec<BackgroundWriter>,
}

impl AdminPort {
    /// Reads the tokens, and makes the operator's own if there is none yet. `streams` are where the host writes to.
    ///
    /// # Errors
    /// When a token cannot be read, or could be by others.
    pub fn open(
        listener: TcpListener,
        config: &AdminConfig,
        journal: Journal,
        streams: Vec<BackgroundWriter>,
    ) -> Result<Self, TokenError> {
        if listener.local_addr().is_ok_and(|address| !address.ip().is_loopback()) {
            tracing::warn!("[admin] listens beyond this machine in plain HTTP, tokens and all");
        }
        let (hosts, max_upload) = (config.hosts.clone(), config.max_upload.bytes());
        Ok(Self { listener, tokens: Tokens::open(config)?, hosts, max_upload, journal, streams })
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(self, server: Arc<Server>) {
        let Self { listener, tokens, hosts, max_upload, journal, streams } = self;
        let changes = Turns::new(CHANGES.0, CHANGES.1);
        let followers = Turns::new(FOLLOWERS.0, FOLLOWERS.1);
        server.host.operators().set(tokens);
        let admin = Admin { server, hosts, max_upload, changes, followers, journal, streams };
        let router = router(Arc::new(admin));
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    rest(&error).await;
                    continue;
                }
            };
            let router = router.clone();
            tokio::spawn(async move {
                answer(stream, router).await;
                drop(permit);
            });
        }
    }
}

async fn answer(stream: TcpStream, router: Router) {
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
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
struct Document;

fn documented() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::with_openapi(Document::openapi())
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
        .routes(routes!(reread::reread))
        .routes(routes!(logs::logs))
}

fn router(admin: Arc<Admin>) -> Router {
    let (router, document) = documented().split_for_parts();
    let document = document.to_pretty_json().unwrap_or_default();
    router
        .route("/openapi.json", get(move || async { page::json(document) }))
        .merge(page::routes())
        .fallback(async || {
            Refusal::not_found("there is no such path; /openapi.json lists those there are")
        })
        .method_not_allowed_fallback(async || {
            let error = "this path is not asked by this method; `Allow` lists those it is";
            Refusal::new(ProblemKind::MethodNotAllowed, error)
        })
        .layer(middleware::from_fn(guarded))
        .with_state(admin)
}

/// Says with every answer that no other page may show or guess at it.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    page::guard(response.headers_mut());
    response
}
