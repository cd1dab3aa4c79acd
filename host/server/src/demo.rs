//! The demo page: a client for browsers, which shows what version of each plugin is live.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::page_headers::{CSP_POLICY, JAVASCRIPT_MEDIA_TYPE};
use narrowboat_config::{RouteConfig, RoutePattern};
use narrowboat_runtime::Plugin;
use narrowboat_websocket::handshake::{HandshakeRequest, HttpResponse};

/// Where the page asks what is live.
const PLUGINS_PATH: &str = "/demo/plugins.json";

/// The page and its parts: path, media type, text.
const ASSETS: [(&str, &str, &str); 10] = [
    ("/", "text/html; charset=utf-8", include_str!("demo/page.html")),
    ("/demo/base.css", "text/css; charset=utf-8", include_str!("web/base.css")),
    ("/demo/page.css", "text/css; charset=utf-8", include_str!("demo/page.css")),
    ("/demo/page.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/page.js")),
    ("/demo/dom.js", JAVASCRIPT_MEDIA_TYPE, include_str!("web/dom.js")),
    ("/demo/format.js", JAVASCRIPT_MEDIA_TYPE, include_str!("web/format.js")),
    ("/demo/route_picker.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/route_picker.js")),
    ("/demo/log.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/log.js")),
    ("/demo/labels.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/labels.js")),
    ("/demo/icon.svg", "image/svg+xml", include_str!("web/icon.svg")),
];

/// What the page tells of a host.
pub(super) struct DemoPage {
    plugins: Vec<DemoPlugin>,
}

/// A plugin and the routes that lead to it, in the configuration's order.
struct DemoPlugin {
    plugin: Arc<Plugin>,
    routes: Vec<DemoRoute>,
}

/// A route as the operator wrote it.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum DemoRoute {
    Path(String),
    Regex(String),
}

impl DemoPage {
    /// A page for these routes, whose plugins `find` knows.
    pub(super) fn new(routes: &[RouteConfig], find: impl Fn(&str) -> Option<Arc<Plugin>>) -> Self {
        let mut plugins: Vec<DemoPlugin> = Vec::new();
        for RouteConfig { pattern, plugin: name, .. } in routes {
            let route = DemoRoute::from(pattern);
            if let Some(listed) = plugins.iter_mut().find(|listed| *listed.plugin.name == **name) {
                listed.routes.push(route);
            } else if let Some(plugin) = find(name) {
                plugins.push(DemoPlugin { plugin, routes: vec![route] });
            }
        }
        Self { plugins }
    }

    /// What is shown to a client that wants a document, where the demo has one at its path.
    pub(super) fn respond(&self, opening: &HandshakeRequest) -> Option<HttpResponse> {
        if !opening.is_page_request() {
            return None;
        }
        let document = match opening.raw_path() {
            PLUGINS_PATH => HttpResponse::new("application/json", self.plugins_json()),
            path => {
                let (_, content_type, text) = ASSETS.iter().find(|(file, ..)| *file == path)?;
                HttpResponse::new(content_type, *text)
            }
        };
        let document = document
            .with_header("cache-control", "no-store")
            .with_header("content-security-policy", CSP_POLICY)
            .with_header("x-content-type-options", "nosniff");
        Some(document)
    }

    /// The plugins as JSON, each with the version that is live now.
    fn plugins_json(&self) -> String {
        let plugins = self.plugins.iter().map(|DemoPlugin { plugin, routes }| {
            json!({
                "name": &*plugin.name,
                "version": plugin.live_version().digest().short_hex(),
                "isolation": plugin.isolation,
                "routes": routes,
            })
        });
        serde_json::Value::from_iter(plugins).to_string()
    }
}

impl From<&RoutePattern> for DemoRoute {
    fn from(pattern: &RoutePattern) -> Self {
        let source = pattern.source().to_owned();
        if pattern.is_regex() { Self::Regex(source) } else { Self::Path(source) }
    }
}
