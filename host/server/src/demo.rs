//! The demo page: a WebSocket client for browsers, which shows the live version of each plugin. Under `narrowboat dev`
//! it also has an editor for the source of plugins. The page of the drawing is for a plugin of that name with rooms.

mod edited_plugin;
mod editor_error;
mod editor_guard;
mod editor_resources;
mod original_texts;
mod save_outcome;
mod source_editor;

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::page_headers::{CSP_POLICY, JAVASCRIPT_MEDIA_TYPE};
use narrowboat_config::{RouteConfig, RoutePattern};
use narrowboat_runtime::Plugin;
use narrowboat_websocket::handshake::{HandshakeRequest, HttpResponse};

pub(crate) use edited_plugin::EditedPlugin;
pub(crate) use editor_resources::EditorResources;
pub(crate) use source_editor::SourceEditor;

/// The path of the page.
const PAGE_PATH: &str = "/";

/// The path of the list of plugins.
const PLUGINS_PATH: &str = "/demo/plugins.json";

/// The media type of style sheets.
const CSS_MEDIA_TYPE: &str = "text/css; charset=utf-8";

/// The files of the page: path, media type, text.
const ASSETS: [(&str, &str, &str); 25] = [
    (PAGE_PATH, "text/html; charset=utf-8", include_str!("demo/page.html")),
    ("/demo/drawing", "text/html; charset=utf-8", include_str!("demo/drawing.html")),
    ("/demo/base.css", CSS_MEDIA_TYPE, include_str!("web/base.css")),
    ("/demo/page.css", CSS_MEDIA_TYPE, include_str!("demo/page.css")),
    ("/demo/drawing.css", CSS_MEDIA_TYPE, include_str!("demo/drawing.css")),
    ("/demo/editor.css", CSS_MEDIA_TYPE, include_str!("demo/editor.css")),
    ("/demo/icon.svg", "image/svg+xml", include_str!("web/icon.svg")),
    ("/demo/dom.js", JAVASCRIPT_MEDIA_TYPE, include_str!("web/dom.js")),
    ("/demo/format.js", JAVASCRIPT_MEDIA_TYPE, include_str!("web/format.js")),
    ("/demo/code_area.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/code_area.js")),
    ("/demo/connection_panel.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/connection_panel.js")),
    ("/demo/cookies.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/cookies.js")),
    ("/demo/drawing.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/drawing.js")),
    ("/demo/drawing_sheet.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/drawing_sheet.js")),
    ("/demo/editor_client.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/editor_client.js")),
    ("/demo/highlight.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/highlight.js")),
    ("/demo/json_text.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/json_text.js")),
    ("/demo/labels.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/labels.js")),
    ("/demo/log.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/log.js")),
    ("/demo/message_history.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/message_history.js")),
    ("/demo/page.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/page.js")),
    ("/demo/places.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/places.js")),
    ("/demo/route_form.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/route_form.js")),
    ("/demo/routes.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/routes.js")),
    ("/demo/source_editor.js", JAVASCRIPT_MEDIA_TYPE, include_str!("demo/source_editor.js")),
];

/// The place in the page for the token of the editor.
const TOKEN_PLACE: &str = "<!-- token -->";

/// The demo page of a tenant.
pub(crate) struct DemoPage {
    plugins: Vec<DemoPlugin>,
    /// `None` for a host that serves.
    editor: Option<SourceEditor>,
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
    pub(crate) fn new(
        routes: &[RouteConfig],
        find: impl Fn(&str) -> Option<Arc<Plugin>>,
        editor: Option<SourceEditor>,
    ) -> Self {
        let mut plugins: Vec<DemoPlugin> = Vec::new();
        for RouteConfig { pattern, plugin: name, .. } in routes {
            let route = DemoRoute::from(pattern);
            if let Some(listed) = plugins.iter_mut().find(|listed| *listed.plugin.name == **name) {
                listed.routes.push(route);
            } else if let Some(plugin) = find(name) {
                plugins.push(DemoPlugin { plugin, routes: vec![route] });
            }
        }
        Self { plugins, editor }
    }

    /// The response to a request for a file of the page or of its editor; `None` for any other request, and for
    /// handshakes.
    pub(crate) async fn respond(&self, request: &mut HandshakeRequest) -> Option<HttpResponse> {
        let response = match &self.editor {
            Some(editor) if !request.is_page_request() => editor.respond(request).await?,
            _ => self.file(request)?,
        };
        let response = response
            .with_header("cache-control", "no-store")
            .with_header("content-security-policy", CSP_POLICY)
            .with_header("x-content-type-options", "nosniff");
        Some(response)
    }

    /// The file of the page that a request asks for.
    fn file(&self, request: &HandshakeRequest) -> Option<HttpResponse> {
        if !request.is_page_request() {
            return None;
        }
        let path = request.raw_path();
        if path == PLUGINS_PATH {
            return Some(HttpResponse::new("application/json", self.plugins_json()));
        }
        let (_, content_type, text) = ASSETS.iter().find(|(file, ..)| *file == path)?;
        let token = self.editor.as_ref().and_then(|editor| editor.token_for(request));
        Some(match token.filter(|_| path == PAGE_PATH) {
            Some(token) => HttpResponse::new(content_type, with_token(text, token)),
            None => HttpResponse::new(content_type, *text),
        })
    }

    /// The plugins and their live versions, as JSON.
    fn plugins_json(&self) -> String {
        let plugins = self.plugins.iter().map(|DemoPlugin { plugin, routes }| {
            let version = plugin.live_version();
            json!({
                "name": &*plugin.name,
                "description": version.description(),
                "version": version.digest().short_hex(),
                "isolation": plugin.isolation,
                "routes": routes,
            })
        });
        serde_json::Value::from_iter(plugins).to_string()
    }
}

/// The page with a token, which has only characters that need no escape.
fn with_token(page: &str, token: &str) -> String {
    page.replace(TOKEN_PLACE, &format!(r#"<meta name="narrowboat-token" content="{token}">"#))
}

impl From<&RoutePattern> for DemoRoute {
    fn from(pattern: &RoutePattern) -> Self {
        let source = pattern.source().to_owned();
        if pattern.is_regex() { Self::Regex(source) } else { Self::Path(source) }
    }
}
