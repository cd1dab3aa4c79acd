//! The configuration of the plugin.

use narrowboat_guest::config;
use rquickjs::prelude::Func;
use rquickjs::{Object, Result};

pub fn add_to<'js>(natives: &Object<'js>) -> Result<()> {
    natives.set("configGet", Func::from(get))?;
    natives.set("configAll", Func::from(all))
}

fn get(key: String) -> Option<String> {
    config::get(&key)
}

/// Returns pairs of a key and its value.
fn all() -> Vec<Vec<String>> {
    config::all().into_iter().map(|(key, value)| vec![key, value]).collect()
}
