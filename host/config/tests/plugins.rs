//! `[plugins.NAME]` and `[signatures]`: sources, grants and limits of plugins.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use narrowboat_config::{Grants, PluginSource};
use narrowboat_core::manifest::Manifest;
use narrowboat_core::name::Tenant;
use support::{ECHO, assert_refused, default_tenant, parse};

#[test]
fn grants_are_all_or_a_table_or_nothing() {
    let grants = |text: &str| {
        parse(&format!("{ECHO}{text}")).unwrap().tenants[&Tenant::default_tenant()].plugins["echo"]
            .grants
            .clone()
    };
    let descriptions = |text: &str| match grants(text) {
        Grants::All => vec!["all".to_owned()],
        Grants::Only(granted) => granted.descriptions(),
    };
    assert_eq!(descriptions(""), [""; 0]);
    assert_eq!(descriptions("grants = \"all\"\n"), ["all"]);
    let table = "groups = [\"room.*\"]\nchannels = [\"jobs\"]\nrandom = true\n";
    let all = ["groups \"room.*\"", "channels \"jobs\"", "random"];
    assert_eq!(descriptions(&format!("[plugins.echo.grants]\n{table}")), all);
    let inline = table.trim_end().replace('\n', ", ");
    assert_eq!(descriptions(&format!("grants = {{ {inline} }}\n")), all);
}

#[test]
fn the_error_for_invalid_grants_shows_valid_ones() {
    let echo = |grants: &str| format!("{ECHO}{grants}\n");
    assert_refused(&echo("grants = \"some\""), 3, &["plugins.echo.grants", "\"all\", or a table"]);
    assert_refused(&echo("grants = true"), 3, &["plugins.echo.grants", "\"all\", or a table"]);
    let unknown = echo("[plugins.echo.grants]\nclock = true");
    assert_refused(&unknown, 4, &["plugins.echo.grants", "did you mean `clocks`?"]);
    let invalid = echo("[plugins.echo.grants]\nlog = true\ngroups = [\"a b\"]");
    assert_refused(&invalid, 5, &["plugins.echo.grants.groups", "\"a b\" is not a pattern"]);
    let many = vec!["\"x\""; 65].join(", ");
    let many = echo(&format!("grants = {{ groups = [{many}] }}"));
    assert_refused(
        &many,
        3,
        &["plugins.echo.grants.groups", "65 patterns are more than the limit of 64"],
    );
}

#[test]
fn the_error_for_missing_grants_has_the_lines_that_grant_them() {
    let text = format!("{ECHO}[plugins.echo.grants]\ngroups = [\"lobby\"]\nlog = true\n");
    let config = parse(&text).unwrap();
    let echo = &default_tenant(&config).plugins["echo"];
    let asks = |text: &str| {
        Manifest::parse(format!("name = \"x\"\n{text}").as_bytes()).unwrap().capabilities
    };
    assert!(echo.check_grants("echo", &asks("capabilities = { log = true }")).is_ok());
    let asks = asks("[capabilities]\ngroups = [\"room.*\", \"lobby\"]\nlog = true\nclocks = true");
    let error = echo.check_grants("echo", &asks).unwrap_err().to_string();
    let words = [
        "folder/narrowboat.toml:3:",
        "plugins.echo.grants",
        "not granted: groups \"room.*\", clocks;",
        "`groups = [\"lobby\", \"room.*\"]`, `clocks = true`",
        "grants = \"all\"",
    ];
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    let of_tenant = format!("[tenants.acme]\npath = \"/acme\"\n[tenants.acme.{}", &ECHO[1..]);
    let config = parse(&of_tenant).unwrap();
    let acme: Tenant = "acme".parse().unwrap();
    let error =
        config.tenants[&acme].plugins["echo"].check_grants("echo", &asks).unwrap_err().to_string();
    assert!(error.contains("in [tenants.acme.plugins.echo.grants]"), "{error}");
    let config = parse(&format!("{ECHO}grants = \"all\"\n")).unwrap();
    let open = &default_tenant(&config).plugins["echo"];
    assert!(open.check_grants("echo", &asks).is_ok());
}

#[test]
fn a_plugin_needs_one_source() {
    assert_refused("[plugins.echo]\n", 1, &["component = ", "source = ", "crate = "]);
    for (first, second) in [("component", "crate"), ("component", "source"), ("source", "crate")] {
        let both = format!("[plugins.echo]\n{first} = \"a\"\n{second} = \"b\"\n");
        let words = format!("both `{first}` and `{second}`; keep one");
        assert_refused(&both, 3, &["plugins.echo", &words]);
    }
    assert_refused("[plugins.\"../x\"]\ncrate = \"b\"\n", 1, &["a-z"]);
}

#[test]
fn a_guest_may_postpone_its_move_for_ten_minutes_at_most() {
    let text = format!("{ECHO}move_wait = \"11m\"\n");
    assert_refused(&text, 3, &["plugins.echo.move_wait", "at most 10m"]);
}

#[test]
fn a_plugin_may_only_have_less_than_the_host_allows() {
    let text = format!("{ECHO}limits.memory = \"1 GiB\"\n");
    assert_refused(&text, 3, &["plugins.echo.limits.memory", "more than the host's own limit"]);
    let text = format!("{ECHO}limits.call_time = \"1s\"\n");
    assert_refused(&text, 3, &["plugins.echo.limits.call_time", "100ms"]);
    let text = format!("{ECHO}instances = 0\n");
    assert_refused(&text, 3, &["plugins.echo.instances", "1 to"]);
}

#[test]
fn the_folder_of_a_source_plugin_is_relative_to_the_file() {
    let config = parse("[plugins.chat]\nsource = \"plugins/chat\"\n").unwrap();
    let source = &default_tenant(&config).plugins["chat"].source;
    assert_eq!(*source, PluginSource::Source("folder/plugins/chat".into()));
}

#[test]
fn signatures_have_keys_and_refuse_crates_and_source_folders() {
    let signatures = "[signatures]\nkeys = [\"release.pub\", \"/keys/spare.pub\"]\n";
    let keys = parse(&format!("{ECHO}{signatures}")).unwrap().signatures.unwrap().keys;
    let files: Vec<_> = keys.iter().map(|key| key.file.display().to_string()).collect();
    assert_eq!(files, ["folder/release.pub", "/keys/spare.pub"]);
    assert_eq!(keys[1].location.to_string(), "folder/narrowboat.toml:4:24");
    assert!(parse(ECHO).unwrap().signatures.is_none());
    assert_refused("[signatures]\nkeys = []\n", 2, &["signatures.keys", "names no key"]);
    let built = format!("[plugins.echo]\ncrate = \"echo\"\n{signatures}");
    assert_refused(&built, 2, &["plugins.echo.crate", "built by the host", "component = "]);
    let packed = format!("[plugins.echo]\nsource = \"echo\"\n{signatures}");
    assert_refused(&packed, 2, &["plugins.echo.source", "packed by the host", ".narrowboat"]);
}
