//! The dashboard: a page for browsers that uses the admin API. Its files are compiled in.

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::admin_state::AdminState;
use crate::page_headers::{CSP_POLICY, JAVASCRIPT_MEDIA_TYPE};

/// The files of the page: path, media type, text. They contain nothing that requires a token.
const ASSETS: [(&str, &str, &str); 11] = [
    ("/", "text/html; charset=utf-8", include_str!("page/page.html")),
    ("/page/base.css", "text/css; charset=utf-8", include_str!("../web/base.css")),
    ("/page/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page/page.js", JAVASCRIPT_MEDIA_TYPE, include_str!("page/page.js")),
    ("/page/api.js", JAVASCRIPT_MEDIA_TYPE, include_str!("page/api.js")),
    ("/page/chart.js", JAVASCRIPT_MEDIA_TYPE, include_str!("page/chart.js")),
    ("/page/plugin_card.js", JAVASCRIPT_MEDIA_TYPE, include_str!("page/plugin_card.js")),
    ("/page/room_table.js", JAVASCRIPT_MEDIA_TYPE, include_str!("page/room_table.js")),
    ("/page/dom.js", JAVASCRIPT_MEDIA_TYPE, include_str!("../web/dom.js")),
    ("/page/format.js", JAVASCRIPT_MEDIA_TYPE, include_str!("../web/format.js")),
    ("/page/icon.svg", "image/svg+xml", include_str!("../web/icon.svg")),
];

/// The routes of the files.
pub(super) fn routes() -> Router<Arc<AdminState>> {
    ASSETS.into_iter().fold(Router::new(), |router, (path, content_type, text)| {
        router.route(path, get(async move || ([(CONTENT_TYPE, content_type)], text)))
    })
}

/// A response with a JSON text.
pub(super) fn json_response(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// Sets the headers that all responses of the admin API have.
pub(super) fn insert_security_headers(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP_POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
