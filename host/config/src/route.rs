//! `[[routes]]`: the plugins that serve paths.

mod raw_route;
mod route_config;
mod route_pattern;

pub use route_config::{DeflateMode, RouteConfig};
pub use route_pattern::RoutePattern;

pub(super) use raw_route::{RawRoute, check_all};
