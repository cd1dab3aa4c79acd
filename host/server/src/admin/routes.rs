//! The routes of the admin API, and the OpenAPI document made from them.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admin_state::AdminState;
use super::api::{self, ProblemKind};
use super::api_error::ApiError;
use super::{
    config_reload, connections, drain, keyvalue, keyvalue_file, logs, page, plugins, publish,
    rooms, status,
};

/// The part of the OpenAPI document that is about the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Narrowboat",
        description = "The admin API of a Narrowboat host. Every path below /v1, and /metrics, needs a token in the \
                       header `Authorization: Bearer TOKEN`. The token needs the scope that the description of the \
                       path names. The scope `admin` includes all scopes, and each scope includes `read`."
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
        .routes(routes!(rooms::rooms))
        .routes(routes!(rooms::sleeping))
        .routes(routes!(rooms::close))
        .routes(routes!(rooms::reset))
        .routes(routes!(publish::publish))
        .routes(routes!(drain::drain))
        .routes(routes!(config_reload::reload))
        .routes(routes!(logs::logs))
        .routes(routes!(keyvalue::get, keyvalue::set, keyvalue::delete))
        .routes(routes!(keyvalue::list))
        .routes(routes!(keyvalue_file::back_up))
        .routes(routes!(keyvalue_file::compact))
}

/// The OpenAPI document of the admin API.
pub(crate) fn openapi_document() -> utoipa::openapi::OpenApi {
    api_router().split_for_parts().1
}

/// The router of the admin API: the API, its OpenAPI document, and the dashboard.
pub(super) fn build_router(state: Arc<AdminState>) -> Router {
    let (router, document) = api_router().split_for_parts();
    let document = document.to_pretty_json().unwrap_or_default();
    router
        .route("/openapi.json", get(move || async { page::json_response(document) }))
        .merge(page::routes())
        .fallback(async || {
            ApiError::not_found("there is no such path; /openapi.json lists all paths")
        })
        .method_not_allowed_fallback(async || {
            let error =
                "this path does not support this method; the header `Allow` lists the methods";
            ApiError::new(ProblemKind::MethodNotAllowed, error)
        })
        .layer(middleware::from_fn(set_security_headers))
        .with_state(state)
}

async fn set_security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    page::insert_security_headers(response.headers_mut());
    response
}
