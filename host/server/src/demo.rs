//! The demo page: a client for browsers, which shows what version of each plugin is live.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::pages::{JAVASCRIPT, POLICY};
use narrowboat_config::{Pattern, RouteConfig};
use narrowboat_runtime::Plugin;
use narrowboat_websocket::handshake::{Document, Opening};

/// Where the page asks what is live.
const PLUGINS: &str = "/demo/plugins.json";

/// The page and its parts: path, media type, text.
const FILES: [(&str, &str, &str); 10] = [
    ("/", "text/html; charset=utf-8", include_str!("demo/page.html")),
    ("/demo/base.css", "text/css; charset=utf-8", include_str!("web/base.css")),
    ("/demo/page.css", "text/css; charset=utf-8", include_str!("demo/page.css")),
    ("/demo/page.js", JAVASCRIPT, include_str!("demo/page.js")),
    ("/demo/dom.js", JAVASCRIPT, include_str!("web/dom.js")),
    ("/demo/format.js", JAVASCRIPT, include_str!("web/format.js")),
    ("/demo/route_picker.js", JAVASCRIPT, include_str!("demo/route_picker.js")),
    ("/demo/log.js", JAVASCRIPT, include_str!("demo/log.js")),
    ("/demo/labels.js", JAVASCRIPT, include_str!("demo/labels.js")),
    ("/demo/icon.svg", "image/svg+xml", include_str!("web/icon.svg")),
];

/// What the page tells of a host.
pub(super) struct Demo {
    plugins: Vec<Listed>,
}

/// A plugin and the routes that lead to it, in the configuration's order.
struct Listed {
    plugin: Arc<Plugin>,
    routes: Vec<Route>,
}

/// A route as the operator wrote it.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Route {
    Path(String),
    Regex(String),
}

impl Demo {
    /// A page for these routes, whose plugins `find` knows.
    pub(super) fn new(routes: &[RouteConfig], find: impl Fn(&str) -> Option<Arc<Plugin>>) -> Self {
        let mut plugins: Vec<Listed> = Vec::new();
        for RouteConfig { pattern, plugin: name, .. } in routes {
            let route = Route::from(pattern);
            if let Some(listed) = plugins.iter_mut().find(|listed| *listed.plugin.name == **name) {
                listed.routes.push(route);
            } else if let Some(plugin) = find(name) {
                plugins.push(Listed { plugin, routes: vec![route] });
            }
        }
        Self { plugins }
    }

    /// What is shown to a client that wants a document, where the demo has one at its path.
    pub(super) fn document(&self, opening: &Opening) -> Option<Document> {
        if !opening.wants_document() {
            return None;
        }
        let document = match opening.raw_path() {
            PLUGINS => Document::new("application/json", self.live()),
            path => {
                let (_, content_type, text) = FILES.iter().find(|(file, ..)| *file == path)?;
                Document::new(content_type, *text)
            }
        };
        let document = document
            .with_header("cache-control", "no-store")
            .with_header("content-security-policy", POLICY)
            .with_header("x-content-type-options", "nosniff");
        Some(document)
    }

    /// The plugins as JSON, each with the version that is live now.
    fn live(&self) -> String {
        let plugins = self.plugins.iter().map(|Listed { plugin, routes }| {
            json!({
                "name": &*plugin.name,
                "version": plugin.live().digest().short(),
                "isolation": plugin.isolation,
                "routes": routes,
            })
        });
        serde_json::Value::from_iter(plugins).to_string()
    }
}

impl From<&Pattern> for Route {
    fn from(pattern: &Pattern) -> Self {
        let source = pattern.source().to_owned();
        if pattern.is_regex() { Self::Regex(source) } else { Self::Path(source) }
    }
}
