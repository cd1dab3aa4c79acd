//! The table of a route as the file has it, and its checks.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{DeflateMode, RouteConfig, RoutePattern};
use crate::error::{ConfigError, Locator};
use crate::plugin::{PluginConfig, PluginUse, unknown_plugin_message};
use narrowboat_core::component::Role;
use narrowboat_core::units::ByteSize;

/// `[[routes]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRoute {
    path: Option<Spanned<String>>,
    regex: Option<Spanned<String>>,
    plugin: Spanned<String>,
    max_message: Option<Spanned<ByteSize>>,
    deflate: Option<DeflateMode>,
}

/// Checks the tables, and records in each plugin that it is used as a consumer.
pub(crate) fn check_all(
    raw: Vec<Spanned<RawRoute>>,
    plugins: &mut BTreeMap<String, Box<PluginConfig>>,
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

/// The error for a route that gets no request because of an earlier route.
fn unreachable_route_message(earlier: &RouteConfig, route: &RouteConfig, line: usize) -> String {
    let (source, plugin) = (earlier.pattern.source(), &earlier.plugin);
    if source == route.pattern.source() {
        return format!(
            "line {line} has a route with this path already, to plugin {plugin:?}; remove one of them"
        );
    }
    format!(
        "no request reaches this route, since the route in line {line}, {source:?} to plugin {plugin:?}, matches all its \
         paths and the first match wins; put this one before it"
    )
}

/// Compiles a `path` or a `regex`.
type PatternCompiler = fn(&str) -> Result<RoutePattern, String>;

/// Checks one table.
fn check(
    raw: Spanned<RawRoute>,
    plugins: &mut BTreeMap<String, Box<PluginConfig>>,
    location: &Locator<'_>,
) -> Result<RouteConfig, ConfigError> {
    let span = raw.span();
    let RawRoute { path, regex, plugin, max_message, deflate } = raw.into_inner();
    let (key, text, compile): (_, _, PatternCompiler) = match (path, regex) {
        (Some(path), None) => ("routes.path", path, RoutePattern::from_path),
        (None, Some(regex)) => ("routes.regex", regex, RoutePattern::from_regex),
        (None, None) => {
            let problem = "a route needs `path = \"/a/{name}/\"` or `regex = '^/a/$'`";
            return Err(location.invalid(span, "routes", problem));
        }
        (Some(_), Some(regex)) => {
            let problem = "a route has either `path` or `regex`, not both; remove one of them";
            return Err(location.invalid(regex.span(), "routes.regex", problem));
        }
    };
    let pattern =
        compile(text.get_ref()).map_err(|problem| location.invalid(text.span(), key, problem))?;
    record_consumer(&plugin, plugins, location)?;
    if let Some(size) = max_message.as_ref().filter(|size| size.get_ref().bytes() == 0) {
        let problem = "must be more than 0 bytes";
        return Err(location.invalid(size.span(), "routes.max_message", problem));
    }
    let max_message = max_message.map(Spanned::into_inner);
    Ok(RouteConfig { pattern, plugin: plugin.into_inner(), max_message, deflate })
}

/// Records that a route uses a plugin as a consumer.
fn record_consumer(
    name: &Spanned<String>,
    plugins: &mut BTreeMap<String, Box<PluginConfig>>,
    location: &Locator<'_>,
) -> Result<(), ConfigError> {
    let (key, place) = ("routes.plugin", location.locate(name.span()));
    let Some(plugin) = plugins.get_mut(name.get_ref()) else {
        return Err(place.invalid(key, unknown_plugin_message(name.get_ref(), plugins)));
    };
    plugin.record_use(PluginUse { role: Role::Consumer, key, location: place });
    Ok(())
}
