//! What is wrong with a configuration, where, and what would be right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}; name another with --config FILE", file.display())]
    Read {
        /// The file asked for.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{place}: {key}{problem}\n  {}", place.excerpt)]
    Invalid {
        /// Where it stands.
        place: SourceLocation,
        /// The key's path with a colon, or nothing where no key is to blame.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
}

/// A place in a configuration file. What stands there is the same wherever that is, so that all places are equal.
#[derive(Debug, Clone)]
pub struct SourceLocation {
    file: Box<Path>,
    /// Counted from one.
    line: usize,
    /// Counted from one, in characters.
    column: usize,
    /// The line itself.
    excerpt: Box<str>,
    /// What comes before a key here: `tenants.acme.`, or nothing.
    key_prefix: Box<str>,
}

impl SourceLocation {
    /// A problem that was found when what stands here was used; `key` is a path such as
    /// `plugins.echo.isolation`, within the tenant whose it is.
    pub fn invalid(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        let key =
            if key.is_empty() { String::new() } else { format!("{}: ", self.qualified_key(key)) };
        ConfigError::Invalid { place: self.clone(), key, problem: problem.into() }
    }

    /// A key of the table that this is in, such as `plugins.echo`, from the top of the file.
    pub fn qualified_key(&self, key: &str) -> String {
        format!("{}{key}", self.key_prefix)
    }
}

impl PartialEq for SourceLocation {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// The file being read, to tell where in it something stands.
#[derive(Clone)]
pub(super) struct Locator<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    /// What comes before the keys of the table that is read: `tenants.acme.`, or nothing.
    pub(super) key_prefix: String,
}

impl Locator<'_> {
    /// A problem at a place of the file; `key` is a path such as `plugins.echo.isolation`.
    pub(super) fn invalid(
        &self,
        span: Range<usize>,
        key: &str,
        problem: impl Into<String>,
    ) -> ConfigError {
        self.locate(span).invalid(key, problem)
    }

    /// The place where a span of the text begins.
    pub(super) fn locate(&self, span: Range<usize>) -> SourceLocation {
        let start = self.text.floor_char_boundary(span.start);
        let before = &self.text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let excerpt = self.text[line_start..].lines().next().unwrap_or_default();
        SourceLocation {
            file: self.file.into(),
            line: self.line_number(start),
            column: before[line_start..].chars().count() + 1,
            excerpt: redact_secrets(excerpt.trim_end()).into(),
            key_prefix: self.key_prefix.as_str().into(),
        }
    }

    /// The line that a place of the text is in, counted from one.
    pub(super) fn line_number(&self, at: usize) -> usize {
        self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The same file, for the tables of a tenant.
    pub(super) fn for_tenant(&self, tenant: &str) -> Self {
        Self { key_prefix: format!("tenants.{tenant}."), ..self.clone() }
    }

    /// Where in a table a key is set: the first line below the table's start that begins with it.
    pub(super) fn find_key(&self, table: Range<usize>, key: &str) -> Range<usize> {
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

    /// What the TOML parser or serde found.
    pub(super) fn syntax_error(
        &self,
        path: Option<String>,
        error: &toml::de::Error,
    ) -> ConfigError {
        let problem = error.message().trim();
        // Serde's way of carrying a span shows up as a field of its own.
        let parts = path.iter().flat_map(|path| path.split('.'));
        let parts: Vec<_> =
            parts.filter(|part| !part.starts_with("$__") && !part.is_empty()).collect();
        let span = error.span().unwrap_or(0..0);
        let problem = with_suggestion(&replace_type_names(problem), parts.len() > 1);
        let hint = self.escape_hint(span.clone(), &problem);
        self.invalid(span, &parts.join("."), problem + hint)
    }

    /// What helps against a backslash in double quotes, where TOML takes it for an escape.
    fn escape_hint(&self, span: Range<usize>, problem: &str) -> &'static str {
        let place = self.locate(span);
        if problem.contains("escape") && place.excerpt.contains('\\') {
            "; in double quotes `\\` begins an escape, so write what has one, such as an expression, in single quotes: \
             regex = '^/\\d+/$'"
        } else {
            ""
        }
    }
}

/// A line as an error may show it: what holds, or may hold, a secret is not shown.
fn redact_secrets(line: &str) -> String {
    let secret = line.contains("symmetric_encryption_keys")
        || line.contains("password")
        || (line.contains("://") && line.contains('@'));
    if secret { "(not shown: the line may hold a secret)".to_owned() } else { line.to_owned() }
}

/// Serde names Rust's types where a person expects words.
fn replace_type_names(problem: &str) -> String {
    problem
        .replace("expected usize", "expected a whole number, 0 or more")
        .replace("expected path string", "expected a path in quotes")
}

/// The keys of the file that stand in no table.
pub(super) const TOP_LEVEL_KEYS: [&str; 5] =
    ["listen", "watch", "demo", "allowed_hosts", "allowed_origins"];

/// Adds "did you mean" where an unknown key or value is close to one that exists, and where a key belongs that was found
/// in some table and stands in none.
fn with_suggestion(problem: &str, in_table: bool) -> String {
    let words: Vec<&str> = problem.split('`').skip(1).step_by(2).collect();
    let [unknown, known @ ..] = words.as_slice() else { return problem.to_owned() };
    if !problem.starts_with("unknown") {
        return problem.to_owned();
    }
    if in_table && TOP_LEVEL_KEYS.contains(unknown) {
        return format!(
            "unknown field `{unknown}`, which is a key of the whole file: it stands above the first table, since what \
             follows a line in brackets belongs to that table"
        );
    }
    match closest_match(unknown, known.iter().copied()) {
        Some(name) => format!("{problem}; did you mean `{name}`?"),
        None => problem.to_owned(),
    }
}

/// The candidate a slip of the keyboard away from `word`.
pub fn closest_match<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len() / 3 + 1)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
