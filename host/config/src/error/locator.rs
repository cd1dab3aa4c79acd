//! The places of errors in the file.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::config_error::{ConfigError, SourceLocation};
use super::serde_message::{translate, with_suggestion};
use crate::secret::{Secret, SecretSource, SecretStore};

/// The forms of a secret, for error messages.
pub(crate) const SECRET_FORMS: &str = "a text in quotes, { env = \"NAME\" } or { file = \"PATH\" }";

/// The file that is read. It finds the places of errors, and the secrets that the file refers to.
#[derive(Clone)]
pub(crate) struct Locator<'a> {
    pub(crate) file: &'a Path,
    pub(crate) text: &'a str,
    /// The bytes after which the lines of the text end. A file may have thousands of tables, each with its place.
    line_ends: Arc<[usize]>,
    /// The path of the tenant that is read, such as `tenants.acme.`; empty for the top of the file.
    pub(crate) key_prefix: String,
    /// The secrets that the file refers to.
    pub(crate) secrets: &'a SecretStore,
}

impl<'a> Locator<'a> {
    /// Returns the locator of a file with this text.
    pub(crate) fn new(file: &'a Path, text: &'a str, secrets: &'a SecretStore) -> Self {
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { file, text, line_ends, key_prefix: String::new(), secrets }
    }

    /// Returns an error at a span of the text. `key` is a path within the tenant, such as `plugins.echo.isolation`.
    pub(crate) fn invalid(
        &self,
        span: Range<usize>,
        key: &str,
        problem: impl Into<String>,
    ) -> ConfigError {
        self.locate(span).invalid(key, problem)
    }

    /// Returns the place where a span of the text begins.
    pub(crate) fn locate(&self, span: Range<usize>) -> SourceLocation {
        let start = self.text.floor_char_boundary(span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let excerpt = self.text[line_start..].lines().next().unwrap_or_default();
        SourceLocation {
            file: self.file.into(),
            line: self.line_number(start),
            column: before[line_start..].chars().count() + 1,
            excerpt: redact_secrets(&self.text[..line_start], excerpt.trim_end()).into(),
            key_prefix: self.key_prefix.as_str().into(),
        }
    }

    /// Returns the line of a byte of the text, from 1.
    pub(crate) fn line_number(&self, at: usize) -> usize {
        self.line_ends.partition_point(|end| *end < at) + 1
    }

    /// Returns the same file, for the tables of a tenant.
    pub(crate) fn for_tenant(&self, tenant: &str) -> Self {
        Self { key_prefix: format!("tenants.{tenant}."), ..self.clone() }
    }

    /// Returns the first line of a table that sets a key, or the whole table if there is none.
    pub(crate) fn find_key(&self, table: Range<usize>, key: &str) -> Range<usize> {
        let mut start = table.start;
        for line in self.text[start..].split_inclusive('\n') {
            let rest = line.trim_start().strip_prefix(key).map(str::trim_start);
            if rest.is_some_and(|rest| rest.starts_with('=')) {
                return start..start + line.len();
            }
            start += line.len();
        }
        table
    }

    /// Returns the place of a value, by the names of the tables above it and its own. Returns an empty place if there is
    /// none.
    pub(crate) fn find_value<'p>(&self, path: impl Iterator<Item = &'p str>) -> Range<usize> {
        let Ok(root) = DeTable::parse(self.text) else { return 0..0 };
        let mut span = 0..0;
        let root = DeValue::Table(root.into_inner());
        let mut current = &root;
        for name in path {
            let entry = current.as_table().and_then(|table| table.get_key_value(name));
            let Some((key, value)) = entry else { return span };
            span = key.span();
            current = value.get_ref();
        }
        span
    }

    /// Returns the secret that a value is or refers to. `key` is a path within the tenant.
    pub(crate) fn parse_secret(
        &self,
        value: &Value,
        span: Range<usize>,
        key: &str,
    ) -> Result<Secret, ConfigError> {
        if let Value::String(text) = value {
            return Ok(Secret::from(text.clone()));
        }
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let source = value.as_table().and_then(|table| SecretSource::parse(table, folder));
        let Some(source) = source else {
            return Err(self.invalid(span, key, format!("must be {SECRET_FORMS}")));
        };
        self.secrets.secret(source).map_err(|error| self.invalid(span, key, error.to_string()))
    }

    /// Returns the error that the TOML parser or serde found.
    pub(crate) fn syntax_error(
        &self,
        path: Option<String>,
        error: &toml::de::Error,
    ) -> ConfigError {
        let problem = error.message().trim();
        // For the span of a value, `Spanned` adds fields with this prefix to the path.
        let parts = path.iter().flat_map(|path| path.split('.'));
        let parts: Vec<_> =
            parts.filter(|part| !part.starts_with("$__") && !part.is_empty()).collect();
        let span = error.span().unwrap_or(0..0);
        let problem = with_suggestion(&translate(problem), parts.len() > 1);
        let hint = self.escape_hint(span.clone(), &problem);
        self.invalid(span, &parts.join("."), problem + hint)
    }

    /// Returns advice for a backslash in double quotes, which begins an escape in TOML.
    fn escape_hint(&self, span: Range<usize>, problem: &str) -> &'static str {
        let place = self.locate(span);
        if problem.contains("escape") && place.excerpt.contains('\\') {
            "; in double quotes `\\` begins an escape, so write a text with backslashes in single quotes: regex = '^/\\d+/$'"
        } else {
            ""
        }
    }
}

/// Returns a line of the file for an error message, without a line that may hold a secret. A line belongs to the last key
/// before it, because a list may have several lines.
fn redact_secrets(text_before: &str, line: &str) -> String {
    let is_start = |line: &&str| line.contains('=') || line.trim_start().starts_with("[[");
    let statement = if is_start(&line) { None } else { text_before.lines().rev().find(is_start) };
    if is_of_plugin_config(text_before, line)
        || may_hold_secret(line)
        || statement.is_some_and(may_hold_secret)
    {
        "(not shown: the line may hold a secret)".to_owned()
    } else {
        line.to_owned()
    }
}

/// Whether a line is below the key `config` of a plugin, whose values are the operator's.
fn is_of_plugin_config(text_before: &str, line: &str) -> bool {
    let is_config = |key: &str| {
        key.split('.').any(|name| name.trim_matches(['[', ']', '"', '\'', ' ', '\t']) == "config")
    };
    is_config(line.split('=').next().unwrap_or_default())
        || text_before.lines().rev().find(|line| is_table_header(line)).is_some_and(is_config)
}

/// Whether a line is the header of a table, and not a part of a list.
fn is_table_header(line: &str) -> bool {
    let name = line.trim_start().strip_prefix('[').map(|name| name.trim_start_matches('['));
    name.is_some_and(|name| {
        name.trim_start().starts_with(|first: char| first.is_ascii_alphabetic())
            && !name.contains([',', '='])
    })
}

/// Whether a line of the file may hold a secret.
fn may_hold_secret(line: &str) -> bool {
    line.contains("symmetric_encryption_keys")
        || line.contains("password")
        || (line.contains("://") && (line.contains('@') || line.contains('?')))
}
