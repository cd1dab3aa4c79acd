//! `[plugins.NAME.config]`: the settings that a plugin reads.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::collections::BTreeMap;

use narrowboat_config::{MAX_SETTING_KEY_BYTES, MAX_SETTING_VALUE_BYTES, MAX_SETTINGS};
use narrowboat_core::name::Tenant;
use support::{ECHO, assert_refused, default_tenant, parse};

fn settings(text: &str) -> BTreeMap<String, String> {
    let config = parse(&format!("{ECHO}[plugins.echo.config]\n{text}\n")).unwrap();
    default_tenant(&config).plugins["echo"].settings.values()
}

#[track_caller]
fn assert_settings(text: &str, expected: &[(&str, &str)]) {
    let expected: BTreeMap<_, _> =
        expected.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    assert_eq!(settings(text), expected);
}

/// Asserts that settings are refused in a line, which is counted from the first setting.
#[track_caller]
fn assert_settings_refused(text: &str, line: usize, words: &[&str]) {
    assert_refused(&format!("{ECHO}[plugins.echo.config]\n{text}\n"), line + 3, words);
}

#[test]
fn a_plugin_without_the_table_has_no_settings() {
    let config = parse(ECHO).unwrap();
    assert!(default_tenant(&config).plugins["echo"].settings.values().is_empty());
}

#[test]
fn strings_stay_as_they_are() {
    assert_settings("greeting = 'Hi \"you\"'", &[("greeting", "Hi \"you\"")]);
    assert_settings("empty = \"\"", &[("empty", "")]);
}

#[test]
fn numbers_booleans_and_dates_are_written_as_in_toml() {
    assert_settings(
        "whole = 0x10\nreal = 1.0\nlarge = 1e300\nyes = true\nday = 2026-03-29\ninfinite = inf\nnone = nan",
        &[
            ("whole", "16"),
            ("real", "1.0"),
            ("large", "1e300"),
            ("yes", "true"),
            ("day", "2026-03-29"),
            ("infinite", "inf"),
            ("none", "nan"),
        ],
    );
}

#[test]
fn lists_are_written_as_json() {
    assert_settings(
        "list = [1, 2.5, true, \"a\\\"\\n\", 2026-03-29T00:00:00Z, [], { b = { c = [\"é\"] } }]",
        &[("list", r#"[1,2.5,true,"a\"\u000a","2026-03-29T00:00:00Z",[],{"b":{"c":["é"]}}]"#)],
    );
    assert_settings_refused("list = [inf]", 1, &["plugins.echo.config.list", "JSON"]);
}

#[test]
fn tables_become_keys_with_dots() {
    assert_settings(
        "a.b = 1\n\"c.d\" = 2\n[plugins.echo.config.e.f]\ng = 3\nh = {}\n",
        &[("a.b", "1"), ("c.d", "2"), ("e.f.g", "3")],
    );
}

#[test]
fn a_key_may_not_be_set_with_dots_and_in_a_table() {
    let words = ["plugins.echo.config.a.b", "set twice"];
    assert_settings_refused("\"a.b\" = 1\n[plugins.echo.config.a]\nb = 2", 3, &words);
}

#[test]
fn keys_values_and_their_number_have_limits() {
    let long_key = "k".repeat(MAX_SETTING_KEY_BYTES);
    assert_eq!(settings(&format!("{long_key} = 1")).len(), 1);
    assert_settings_refused(&format!("a = 1\n{long_key}k = 1"), 2, &["at most 256 bytes"]);
    assert_settings_refused(&format!("a.{long_key} = 1"), 1, &["at most 256 bytes"]);
    assert_settings_refused("\"\" = 1", 1, &["must not be empty"]);
    assert_settings_refused("\"a\\u0000\" = 1", 1, &["no control characters"]);
    let long = "v".repeat(MAX_SETTING_VALUE_BYTES);
    assert_eq!(settings(&format!("a = \"{long}\""))["a"], long);
    assert_settings_refused(&format!("a = \"{long}v\""), 1, &["config.a", "at most 65536 bytes"]);
    let many = (0..MAX_SETTINGS).map(|index| format!("k{index} = 1\n")).collect::<String>();
    assert_eq!(settings(&many).len(), MAX_SETTINGS);
    assert_settings_refused(&format!("{many}z = 1"), MAX_SETTINGS + 1, &["at most 256 settings"]);
}

#[test]
fn a_tenants_plugin_has_settings_of_its_own() {
    let acme = ECHO.replace("plugins", "tenants.acme.plugins");
    let text =
        format!("[tenants.acme]\npath = \"/acme\"\n{acme}[tenants.acme.plugins.echo.config]\n");
    let config = parse(&format!("{text}a = 1\n")).unwrap();
    let acme = &config.tenants[&"acme".parse::<Tenant>().unwrap()];
    assert_eq!(acme.plugins["echo"].settings.values()["a"], "1");
    assert_refused(&format!("{text}a = [nan]\n"), 6, &["tenants.acme.plugins.echo.config.a"]);
}
