//! `[[routes]]`: which plugin serves which path.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::error::{ConfigError, Locator};
use super::plugin::{PluginConfig, PluginUse, unknown_plugin_message};
use narrowboat_core::component::Role;
use narrowboat_core::units::ByteSize;

/// A route, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteConfig {
    /// What the path must look like.
    pub pattern: RoutePattern,
    /// The plugin that serves it.
    pub plugin: String,
    /// The largest message of a client here, instead of the host's `max_message`.
    pub max_message: Option<ByteSize>,
    /// Whether messages here may be deflated, and what is remembered for it.
    pub deflate: Option<DeflateMode>,
}

/// What a connection remembers of its messages to deflate the next (RFC 7692, section 7.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeflateMode {
    /// Nothing: each message stands on its own, and an idle connection keeps no buffers for it.
    NoContextTakeover,
    /// What went before, some 300 KiB a connection: better for many small messages that are alike.
    ContextTakeover,
}

/// A compiled pattern over percent-decoded paths, whose named groups become `url-route`.
#[derive(Debug, Clone)]
pub struct RoutePattern {
    regex: Regex,
    /// As the operator wrote it.
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    path: Option<Spanned<String>>,
    regex: Option<Spanned<String>>,
    plugin: Spanned<String>,
    max_message: Option<Spanned<ByteSize>>,
    deflate: Option<DeflateMode>,
}

impl RoutePattern {
    /// A path in which `{name}` stands for one segment: `/group/{room}/`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_path(path: &str) -> Result<Self, String> {
        if !path.starts_with('/') {
            return Err("a path starts with `/`; an expression is `regex = '^/a/$'`".to_owned());
        }
        check_literals(path)?;
        let mut regex = String::from("^");
        let mut rest = path;
        while let Some((literal, tail)) = rest.split_once('{') {
            let (name, after) =
                tail.split_once('}').ok_or("`{` without `}`; a segment is `{name}`")?;
            if !is_capture_name(name) {
                return Err(format!("{{{name}}}: a name is a letter or `_`, then also digits"));
            }
            regex += &regex::escape(literal);
            regex += &format!("(?P<{name}>[^/]+)");
            rest = after;
        }
        if rest.contains('}') {
            return Err("`}` without `{`; a segment is `{name}`".to_owned());
        }
        regex += &regex::escape(rest);
        regex += "$";
        Self::compile(&regex, path)
    }

    /// A regular expression, searched for in the path: begin with `^` and end with `$` to match
    /// all of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_regex(regex: &str) -> Result<Self, String> {
        let after = regex.strip_prefix('^').and_then(|rest| rest.chars().next());
        if after.is_some_and(char::is_alphanumeric) {
            return Err(format!(
                "a path begins with `/`, so that this matches none; did you mean '^/{}'?",
                &regex[1..]
            ));
        }
        Self::compile(regex, regex)
    }

    fn compile(regex: &str, source: &str) -> Result<Self, String> {
        if source.contains(char::is_control) {
            return Err("has a control character, as TOML makes one of `\\b` in double quotes; in single quotes it \
                        stays as it is"
                .to_owned());
        }
        let regex = Regex::new(regex).map_err(|error| error.to_string())?;
        Ok(Self { regex, source: source.to_owned() })
    }

    /// The named captures, in the pattern's order, if the path matches.
    pub fn captures(&self, path: &str) -> Option<Vec<(String, String)>> {
        let captures = self.regex.captures(path)?;
        let named = self.regex.capture_names().flatten();
        let values = named.filter_map(|name| {
            captures.name(name).map(|value| (name.to_owned(), value.as_str().to_owned()))
        });
        Some(values.collect())
    }

    /// As the operator wrote it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the operator wrote a regular expression, rather than a path.
    pub fn is_regex(&self) -> bool {
        // What a path compiles to has at least `^` and `$` more.
        self.regex.as_str() == self.source
    }
}

impl RoutePattern {
    /// Whether this one surely matches whatever the other does, so that a route of the other that comes later is never
    /// reached.
    fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        // Of expressions nothing more can be told, nor of what they say to a segment that may be anything.
        let has_captures = other.regex.captures_len() > 1;
        if other.is_regex() || has_captures && self.is_regex() {
            return false;
        }
        self.regex.is_match(&other.example_path())
    }

    /// A path that a path with captures matches, in which what they catch occurs nowhere else.
    fn example_path(&self) -> String {
        let mut parts = self.source.split('{');
        let first = parts.next().unwrap_or_default().to_owned();
        parts
            .filter_map(|part| part.split_once('}'))
            .fold(first, |path, (_, literal)| path + "\u{10ffff}" + literal)
    }
}

impl PartialEq for RoutePattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

/// What in a path stands for itself, and is not likely to be meant so.
fn check_literals(path: &str) -> Result<(), String> {
    let problem = if path.contains(['<', '>']) {
        "a segment is captured with `{room}`, not with `<room>`"
    } else if path.contains("/:") {
        "a segment is captured with `{room}`, not with `:room`"
    } else if path.contains('*') {
        "`*` has no meaning in a path: one segment is `{name}`, and more is `regex = '^/files/.+$'`"
    } else if path.contains(['?', '#']) {
        "a path ends before `?` and `#`; the query is in the consumer's scope"
    } else if path.contains('%') {
        "a path is compared decoded: write the character in place of `%` and its digits"
    } else {
        return Ok(());
    };
    Err(problem.to_owned())
}

fn is_capture_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(super) fn check_all(
    raw: Vec<Spanned<RawRoute>>,
    plugins: &mut BTreeMap<String, PluginConfig>,
    location: &Locator<'_>,
) -> Result<Vec<RouteConfig>, ConfigError> {
    let mut routes: Vec<(RouteConfig, usize)> = Vec::new();
    for raw in raw {
        let pattern = raw.get_ref().path.as_ref().or(raw.get_ref().regex.as_ref());
        let span = pattern.map_or_else(|| raw.span(), Spanned::span);
        let route = check(raw, plugins, location)?;
        let line = location.line_number(span.start);
        let earlier = routes.iter().find(|(earlier, _)| earlier.pattern.covers(&route.pattern));
        if let Some((earlier, line)) = earlier {
            let key = if route.pattern.is_regex() { "routes.regex" } else { "routes.path" };
            return Err(location.invalid(
                span,
                key,
                unreachable_route_message(earlier, &route, *line),
            ));
        }
        routes.push((route, line));
    }
    Ok(routes.into_iter().map(|(route, _)| route).collect())
}

/// What is said of a route that another in an earlier line leaves nothing for.
fn unreachable_route_message(earlier: &RouteConfig, route: &RouteConfig, line: usize) -> String {
    let (source, plugin) = (earlier.pattern.source(), &earlier.plugin);
    if source == route.pattern.source() {
        return format!("line {line} has a route with this path already, to plugin {plugin:?}");
    }
    format!(
        "no request reaches this route: the one in line {line}, {source:?} to plugin {plugin:?}, matches all its paths, \
         and the first that matches counts; put this one before it"
    )
}

type PatternCompiler = fn(&str) -> Result<RoutePattern, String>;

fn check(
    raw: Spanned<RawRoute>,
    plugins: &mut BTreeMap<String, PluginConfig>,
    location: &Locator<'_>,
) -> Result<RouteConfig, ConfigError> {
    let whole = raw.span();
    let raw = raw.into_inner();
    let (key, text, compile): (_, _, PatternCompiler) = match (raw.path, raw.regex) {
        (Some(path), None) => ("routes.path", path, RoutePattern::from_path),
        (None, Some(regex)) => ("routes.regex", regex, RoutePattern::from_regex),
        (None, None) => {
            let problem = "a route needs `path = \"/a/{name}/\"` or `regex = \"^/a/$\"`";
            return Err(location.invalid(whole, "routes", problem));
        }
        (Some(_), Some(regex)) => {
            let problem = "a route has either `path` or `regex`, not both";
            return Err(location.invalid(regex.span(), "routes.regex", problem));
        }
    };
    let pattern =
        compile(text.get_ref()).map_err(|problem| location.invalid(text.span(), key, problem))?;
    let place = location.locate(raw.plugin.span());
    let key = "routes.plugin";
    let Some(plugin) = plugins.get_mut(raw.plugin.get_ref()) else {
        return Err(place.invalid(key, unknown_plugin_message(raw.plugin.get_ref(), plugins)));
    };
    plugin.record_use(PluginUse { role: Role::Consumer, key, location: place });
    if let Some(size) = raw.max_message.as_ref().filter(|size| size.get_ref().bytes() == 0) {
        let problem = "must be more than 0 bytes";
        return Err(location.invalid(size.span(), "routes.max_message", problem));
    }
    let max_message = raw.max_message.map(Spanned::into_inner);
    let deflate = raw.deflate;
    Ok(RouteConfig { pattern, plugin: raw.plugin.into_inner(), max_message, deflate })
}
