//! The demo page: a WebSocket client for browsers, which shows the live version of each plugin.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::page_headers::{CSP_POLICY, JAVASCRIPT_MEDIA_TYPE};
use narrowboat_config::{RouteConfig, RoutePattern};
use narrowboat_runtime::Plugin;
use narrowboat_websocket::handshake::{HandshakeRequest, HttpResponse};

/// The path of the list of plugins.
const PLUGINS_PATH: &str = "/demo/plugins.json";

/// The files of the page: path, media type, text.
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

/// The demo page of a tenant.
pub(crate) struct DemoPage {
    plugins: Vec<DemoPlugin>,
}

/// A plugin and its routes, in the order of the configuration.
struct DemoPlugin {
    plugin: Arc<Plugin>,
    routes: Vec<DemoRoute>,
}

/// The pattern of a route, as configured.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum DemoRoute {
    Path(String),
    Regex(String),
}

impl DemoPage {
    /// The page for these routes. `find` returns the plugin of a name; plugins that are not served are left out.
    pub(crate) fn new(routes: &[RouteConfig], find: impl Fn(&str) -> Option<Arc<Plugin>>) -> Self {
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

    /// The response to a request for a file of the page; `None` for any other request, and for handshakes.
    pub(crate) fn respond(&self, request: &HandshakeRequest) -> Option<HttpResponse> {
        if !request.is_page_request() {
            return None;
        }
        let response = match request.raw_path() {
            PLUGINS_PATH => HttpResponse::new("application/json", self.plugins_json()),
            path => {
                let (_, content_type, text) = ASSETS.iter().find(|(file, ..)| *file == path)?;
                HttpResponse::new(content_type, *text)
            }
        };
        let response = response
            .with_header("cache-control", "no-store")
            .with_header("content-security-policy", CSP_POLICY)
            .with_header("x-content-type-options", "nosniff");
        Some(response)
    }

    /// The plugins and their live versions, as JSON.
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
