//! The editor of the demo page: its requests and the responses to them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hyper::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::edited_plugin::EditedPlugin;
use super::editor_error::EditorError;
use super::editor_resources::EditorResources;
use crate::admin::api::LogLine;
use narrowboat_core::name::Tenant;
use narrowboat_core::sha256_digest::Sha256Digest;
use narrowboat_core::source_bundle::SourcePath;
use narrowboat_websocket::handshake::{HandshakeRequest, HttpResponse};

/// The prefix of the editor's paths. Without an editor, they are paths like others.
const PATH_PREFIX: &str = "/demo/source/";

/// The largest body of a request, in bytes: a file of the largest size, whose characters JSON may escape.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// The most lines of the log in a response.
const MAX_LOG_LINES: usize = 200;

/// The editor of the demo page. Every request is a POST, because browsers send the origin of the page with it.
pub(crate) struct SourceEditor {
    resources: Arc<EditorResources>,
    /// The plugins with a source folder, by the names that routes use.
    plugins: BTreeMap<String, EditedPlugin>,
}

/// A request for a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    plugin: String,
    path: String,
}

/// A request to write a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SaveRequest {
    plugin: String,
    path: String,
    text: String,
    /// The SHA-256 of the text that the editor has read.
    digest: Sha256Digest,
}

/// A request for what has happened since the last one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesRequest {
    /// The number of the last line of the log that the page has; `None`: the page has just been opened.
    after: Option<u64>,
    /// The file that the page shows.
    file: Option<FileQuery>,
}

impl SourceEditor {
    /// An editor of these plugins.
    pub(crate) fn new(
        resources: Arc<EditorResources>,
        plugins: BTreeMap<String, EditedPlugin>,
    ) -> Self {
        Self { resources, plugins }
    }

    /// The token for the page that answers this request; `None` if the page must not edit.
    pub(super) fn token_for(&self, request: &HandshakeRequest) -> Option<&str> {
        self.resources.guard.token_for(request)
    }

    /// The response to a request of the editor; `None` for any other request.
    pub(super) async fn respond(&self, request: &mut HandshakeRequest) -> Option<HttpResponse> {
        let action = request.raw_path().strip_prefix(PATH_PREFIX)?.to_owned();
        if *request.method() != Method::POST {
            return None;
        }
        let response = match self.carry_out(&action, request).await? {
            Ok(body) => HttpResponse::new("application/json", body.to_string()),
            Err(error) => error.into_response(),
        };
        Some(response)
    }

    /// Carries out an action; `None` if there is no such action.
    async fn carry_out(
        &self,
        action: &str,
        request: &mut HandshakeRequest,
    ) -> Option<Result<Value, EditorError>> {
        if !matches!(action, "files" | "read" | "save" | "changes") {
            return None;
        }
        // Before the body is read.
        if !self.resources.guard.allows(request) {
            return Some(Err(EditorError::forbidden()));
        }
        let body = match request.read_body(MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(error) => return Some(Err(error.into())),
        };
        Some(match action {
            "files" => self.files().await,
            "read" => self.read(&body).await,
            "save" => self.save(&body).await,
            _ => self.changes(&body).await,
        })
    }

    /// The plugins and their files.
    async fn files(&self) -> Result<Value, EditorError> {
        let mut plugins = Vec::new();
        for (name, plugin) in &self.plugins {
            let paths = plugin.list().await?;
            let problem = (!plugin.is_served()).then(|| self.last_error(name));
            plugins.push(json!({
                "plugin": name,
                "folder": display_folder(plugin.source.folder()),
                "files": paths.iter().map(SourcePath::as_str).collect::<Vec<_>>(),
                "problem": problem,
            }));
        }
        Ok(Value::from(plugins))
    }

    /// The text of a file, and the text that it had at first.
    async fn read(&self, body: &[u8]) -> Result<Value, EditorError> {
        let (plugin, path) = self.find(&parse(body)?)?;
        let read = plugin.read(&path).await?;
        let originals = &self.resources.originals;
        let original = originals.remember(plugin.source.folder(), &path, &read.text);
        Ok(json!({ "text": read.text, "digest": read.digest, "original": original }))
    }

    /// Saves a file, and returns the outcome of the version.
    async fn save(&self, body: &[u8]) -> Result<Value, EditorError> {
        let SaveRequest { plugin, path, text, digest } = parse(body)?;
        let (plugin, path) = self.find(&FileQuery { plugin, path })?;
        let limit = self.resources.outcome_timeout;
        let save_guard = self.resources.save_lock.clone().lock_owned().await;
        let (digest, outcome) = plugin.save(path, text, digest, save_guard, limit).await?;
        Ok(json!({ "digest": digest, "result": outcome }))
    }

    /// The new lines of the log, and the digest of the file that the page shows.
    async fn changes(&self, body: &[u8]) -> Result<Value, EditorError> {
        let ChangesRequest { after, file } = parse(body)?;
        let tenant = Tenant::default_tenant();
        let lines = self.resources.log_buffer.last_lines(Some(&tenant), None, MAX_LOG_LINES);
        let last = lines.last().map_or(0, |line| line.sequence);
        let is_new = |line: &&Arc<LogLine>| after.is_some_and(|after| line.sequence > after);
        let lines = lines.iter().filter(is_new).filter(|line| concerns_authors(line));
        let lines: Vec<_> = lines.map(|line| &**line).collect();
        // After the lines: the page then has the text that they are about.
        let digest = match file {
            Some(file) => self.digest(&file).await,
            None => None,
        };
        Ok(json!({ "lines": lines, "last": last, "digest": digest }))
    }

    /// The digest of a file; `None` if it cannot be read, or if its plugin is not in the configuration any more.
    async fn digest(&self, file: &FileQuery) -> Option<Sha256Digest> {
        let (plugin, path) = self.find(file).ok()?;
        plugin.read(&path).await.ok().map(|read| read.digest)
    }

    /// Finds the plugin of a file.
    fn find(&self, file: &FileQuery) -> Result<(&EditedPlugin, SourcePath), EditorError> {
        let plugin = self.plugins.get(&file.plugin);
        let plugin = plugin.ok_or_else(|| EditorError::no_plugin(&file.plugin))?;
        let path = SourcePath::parse(&file.path).map_err(EditorError::invalid)?;
        Ok((plugin, path))
    }

    /// The last error of a plugin that is not served.
    fn last_error(&self, plugin: &str) -> String {
        let tenant = Tenant::default_tenant();
        let lines =
            self.resources.log_buffer.last_lines(Some(&tenant), Some(plugin), MAX_LOG_LINES);
        let error = lines.iter().rev().find(|line| line.level == "ERROR");
        error.map_or_else(|| "it is not served yet".to_owned(), |line| line.message.clone())
    }
}

/// Whether the author of a plugin should see a line: the plugin wrote it, or it is about a fault or a refused version.
fn concerns_authors(line: &LogLine) -> bool {
    line.from_guest || matches!(&*line.level, "WARN" | "ERROR")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, EditorError> {
    serde_json::from_slice(body).map_err(EditorError::invalid)
}

/// A folder, relative to the current one if it is inside.
fn display_folder(folder: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    folder.strip_prefix(&here).unwrap_or(folder).display().to_string()
}
