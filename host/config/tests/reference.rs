//! The reference has every key and every default of the host, and the pages of the documentation are made from it.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use narrowboat_config::{
    Config, ConfigTable, FailedMovePolicy, Grants, KeyDefault, KeyvalueBackend, LimitRow,
    config_tables, configuration_reference, limit_rows, limits_reference,
};
use narrowboat_core::name::Tenant;
use support::{ECHO, assert_refused, default_tenant, expected_names, parse};

/// A text that ends in a table of the reference. The table has its required keys, one in a line.
fn text_up_to(table: &str) -> String {
    let echo = |sub_table: &str| format!("{ECHO}[plugins.echo.{sub_table}]\n");
    let acme = "[tenants.acme]\npath = \"/acme\"\n";
    let token = "name = \"ci\"\nfile = \"ci.token\"\nscopes = [\"deploy\"]\n";
    match table {
        "" => String::new(),
        "plugins.NAME" => ECHO.to_owned(),
        "plugins.NAME.limits" => echo("limits"),
        "plugins.NAME.grants" => echo("grants"),
        "plugins.NAME.rollback" => echo("rollback"),
        "routes" => format!("{ECHO}[[routes]]\npath = \"/\"\nplugin = \"echo\"\n"),
        "workers" => format!("{ECHO}[[workers]]\nchannel = \"jobs\"\nplugin = \"echo\"\n"),
        "tenants.NAME" => acme.to_owned(),
        "tenants.NAME.limits" => format!("{acme}[tenants.acme.limits]\n"),
        "tenants.NAME.tls" => {
            "tenants.acme.hosts = [\"acme.example\"]\n[tls]\ncert = \"a\"\nkey = \"b\"\n\
                               [tenants.acme.tls]\ncert = \"a\"\nkey = \"b\"\n"
                .to_owned()
        }
        "tls" => "[tls]\ncert = \"a\"\nkey = \"b\"\n".to_owned(),
        "users" => "[users.webhook]\nurl = \"http://a/\"\n[users]\n".to_owned(),
        "users.jwt" => "[users.jwt]\nsecret_file = \"a\"\nalgorithms = [\"HS256\"]\n".to_owned(),
        "users.webhook" => "[users.webhook]\nurl = \"http://a/\"\n".to_owned(),
        "signatures" => "[signatures]\nkeys = [\"a.pub\"]\n".to_owned(),
        "proxy" => "[proxy]\ntrusted = [\"10.0.0.1\"]\n".to_owned(),
        "admin.tokens" => format!("[admin]\n[[admin.tokens]]\n{token}"),
        "traces" => "[traces]\nendpoint = \"http://a/\"\n".to_owned(),
        other => format!("[{other}]\n"),
    }
}

/// The keys of a table, as the error for an unknown key names them.
fn keys_of(text_up_to_table: &str) -> BTreeSet<String> {
    let error = parse(&format!("{text_up_to_table}nonsense-that-is-not-a-key = 1\n")).unwrap_err();
    expected_names(&error)
}

/// The keys of a table in the reference, and the tables directly below it. Panics if a key occurs twice.
fn reference_keys(table: &ConfigTable) -> BTreeSet<String> {
    let keys: BTreeSet<_> = table.keys.iter().map(|key| key.key.to_owned()).collect();
    assert_eq!(keys.len(), table.keys.len(), "a key of {:?} is listed twice", table.name);
    let prefix = if table.name.is_empty() { String::new() } else { format!("{}.", table.name) };
    let others = config_tables().iter().filter(|other| !other.name.is_empty());
    let below = others.filter_map(|other| other.name.strip_prefix(&prefix));
    let below = below.map(|rest| rest.split('.').next().unwrap().to_owned());
    keys.into_iter().chain(below).collect()
}

#[test]
fn the_reference_has_every_key_that_the_host_reads_once() {
    let names: BTreeSet<_> = config_tables().iter().map(|table| table.name).collect();
    assert_eq!(names.len(), config_tables().len());
    for table in config_tables() {
        let mut expected = keys_of(&text_up_to(table.name));
        match table.name {
            // `[layers.NAME]` has the keys of `[layer]`.
            "" => assert!(expected.remove("layers")),
            // The keys of a tenant's limits that a plugin's limits have too are listed there.
            "plugins.NAME.limits" => {
                assert!(["groups", "keyvalue"].into_iter().all(|key| expected.remove(key)));
            }
            "tenants.NAME.limits" => expected.retain(|key| key == "groups" || key == "keyvalue"),
            _ => {}
        }
        assert_eq!(reference_keys(table), expected, "{:?}", table.name);
    }
}

#[test]
fn tables_that_share_a_section_of_the_reference_have_the_same_keys() {
    assert_eq!(keys_of("[layer]\n"), keys_of("[layers.other]\n"));
    let tenant = text_up_to("tenants.NAME");
    for (sub_table, reference) in [
        ("[tenants.acme.plugins.a]\ncomponent = \"a\"\n", "plugins.NAME"),
        ("[[tenants.acme.routes]]\n", "routes"),
        ("[[tenants.acme.workers]]\n", "workers"),
        ("[tenants.acme.layer]\n", "layer"),
        ("[[tenants.acme.tokens]]\n", "admin.tokens"),
    ] {
        assert_eq!(keys_of(&format!("{tenant}{sub_table}")), keys_of(&text_up_to(reference)));
    }
    let limits = keys_of(&text_up_to("tenants.NAME.limits"));
    assert_eq!(limits, keys_of(&text_up_to("plugins.NAME.limits")));
}

/// The keys that need a Redis backend.
fn needs_redis(table: &str, key: &str) -> bool {
    let redis_keys = ["hosts", "prefix", "serializer", "random_prefix_length", "room_lease"];
    matches!(table, "layer" | "keyvalue")
        && (redis_keys.contains(&key) || key == "symmetric_encryption_keys")
}

/// Asserts that two configurations have the same settings.
fn assert_same_settings(one: Config, other: Config, what: &str) {
    // An absent policy is the default one.
    let with_policies = |mut config: Config| {
        let tenants = config.tenants.values_mut().map(Arc::make_mut);
        for plugin in tenants.flat_map(|tenant| tenant.plugins.values_mut()) {
            plugin.on_failed_move.get_or_insert(FailedMovePolicy::default());
        }
        config
    };
    let (one, other) = (with_policies(one), with_policies(other));
    assert_eq!(one.listen, other.listen, "{what}");
    assert_eq!(one.watch, other.watch, "{what}");
    assert_eq!(one.demo, other.demo, "{what}");
    assert_eq!(one.allow_lists, other.allow_lists, "{what}");
    assert_eq!(one.tenants, other.tenants, "{what}");
    assert_eq!(one.users, other.users, "{what}");
    assert_eq!(one.proxy, other.proxy, "{what}");
    assert_eq!(one.signatures, other.signatures, "{what}");
    assert_eq!(one.tls, other.tls, "{what}");
    assert_eq!(one.limits, other.limits, "{what}");
    assert_eq!(one.keyvalue, other.keyvalue, "{what}");
    assert_eq!(one.requests, other.requests, "{what}");
    assert_eq!(one.admin, other.admin, "{what}");
    assert_eq!(one.traces, other.traces, "{what}");
    assert_eq!(one.versions, other.versions, "{what}");
    assert_eq!(one.cache, other.cache, "{what}");
}

/// Every key of the reference with its table.
fn keys_with_tables() -> impl Iterator<Item = (&'static str, &'static str, KeyDefault)> {
    let tables = config_tables().iter();
    tables.flat_map(|table| table.keys.iter().map(|key| (table.name, key.key, key.default)))
}

#[test]
fn setting_a_key_to_its_default_changes_nothing() {
    let mut count = 0;
    for (table, key, default) in keys_with_tables() {
        let KeyDefault::Value(value) = default else { continue };
        let backend = if needs_redis(table, key) { "backend = \"redis\"\n" } else { "" };
        let text = text_up_to(table) + backend;
        let set = parse(&format!("{text}{key} = {value}\n"));
        let set = set.unwrap_or_else(|error| panic!("{table}.{key}: {error}"));
        assert_same_settings(set, parse(&text).unwrap(), &format!("{table}.{key}"));
        count += 1;
    }
    assert!(count > 70, "{count}");
}

#[test]
fn a_required_key_is_required_and_no_other_key_is() {
    for (table, key, default) in keys_with_tables() {
        let text = text_up_to(table);
        let line = format!("\n{key} = ");
        let missing: Vec<_> =
            text.lines().filter(|text| !format!("\n{text}").starts_with(&line)).collect();
        let result = parse(&(missing.join("\n") + "\n"));
        match default {
            KeyDefault::Required => {
                let error = result.unwrap_err();
                assert!(error.contains(&format!("`{key}`")), "{table}.{key}: {error}");
            }
            // One of several keys, which the text may have.
            KeyDefault::Alternative => {}
            _ => drop(result.unwrap_or_else(|error| panic!("{table}.{key}: {error}"))),
        }
    }
}

#[test]
fn a_key_without_a_default_value_has_the_default_that_is_described() {
    let described: Vec<_> = keys_with_tables()
        .filter(|(_, _, default)| matches!(default, KeyDefault::Described(_)))
        .map(|(table, key, _)| (table, key))
        .collect();
    let expected = [
        ("plugins.NAME", "grants"),
        ("plugins.NAME", "isolation"),
        ("routes", "max_message"),
        ("tenants.NAME", "allowed_origins"),
        ("tenants.NAME.limits", "groups"),
        ("tenants.NAME.limits", "keyvalue"),
        ("tenants.NAME.tls", "hosts"),
        ("keyvalue", "backend"),
        ("keyvalue", "path"),
        ("admin", "token_file"),
        // The unit tests of both tables check the variables of the environment.
        ("versions", "folder"),
        ("cache", "folder"),
    ];
    assert_eq!(described, expected);
    let config = parse(&text_up_to("routes")).unwrap();
    let tenant = default_tenant(&config);
    assert_eq!(tenant.plugins["echo"].grants, Grants::Only(Default::default()));
    assert_eq!(tenant.plugins["echo"].isolation, None);
    assert_eq!(tenant.routes[0].max_message, None);
    let config = parse(&text_up_to("tenants.NAME.limits")).unwrap();
    let acme = &config.tenants[&"acme".parse::<Tenant>().unwrap()];
    assert_eq!(acme.allowed_origins, None);
    assert_eq!((acme.limits.groups, acme.limits.keyvalue), (None, None));
    let config = parse(&text_up_to("tenants.NAME.tls")).unwrap();
    let acme = &config.tenants[&"acme".parse::<Tenant>().unwrap()];
    assert_eq!(acme.tls.as_ref().unwrap().hosts, acme.matcher.hosts);
    let config = parse("[admin]\n[versions]\nfolder = \"kept\"\n").unwrap();
    let (token_file, versions) = (config.admin.unwrap().token_file, config.versions.unwrap());
    assert_eq!(token_file, versions.folder.join("admin.token"));
    let folder = versions.folder.join(".keyvalue");
    assert_eq!(config.keyvalue.backend, KeyvalueBackend::File { folder });
    assert_eq!(parse("").unwrap().keyvalue.backend, KeyvalueBackend::Memory);
}

#[test]
fn the_rows_of_limits_are_the_keys_of_the_tables() {
    let of = |has: fn(&LimitRow) -> bool| -> BTreeSet<_> {
        limit_rows().filter(|row| has(row)).map(|row| row.key.to_owned()).collect()
    };
    assert_eq!(of(|row| row.host_default.is_some()), keys_of("[limits]\n"));
    assert_eq!(of(LimitRow::tenant_may_set), keys_of(&text_up_to("tenants.NAME.limits")));
    let mut of_plugins = keys_of(&text_up_to("plugins.NAME.limits"));
    for tenant_limit in ["groups", "keyvalue"] {
        of_plugins.remove(tenant_limit);
        let text = format!("{ECHO}[plugins.echo.limits]\n{tenant_limit} = 1\n");
        let key = format!("plugins.echo.limits.{tenant_limit}");
        assert_refused(&text, 4, &[&key, "a tenant's", "[tenants.NAME.limits]"]);
    }
    assert_eq!(of(|row| row.plugin_may_set), of_plugins);
}

#[test]
fn the_pages_of_the_documentation_are_up_to_date() {
    let configuration = include_str!("../../../docs/reference/configuration.md");
    assert!(
        configuration_reference() == configuration,
        "run narrowboat reference configuration > docs/reference/configuration.md"
    );
    let limits = include_str!("../../../docs/reference/limits.md");
    assert!(
        limits_reference() == limits,
        "run narrowboat reference limits > docs/reference/limits.md"
    );
}

#[test]
fn every_line_of_the_template_that_stands_for_a_table_is_replaced() {
    assert!(!configuration_reference().contains("{{"));
}

/// The block of all keys on the page.
fn block_of_all_keys() -> String {
    let page = configuration_reference();
    let (_, after) = page.split_once("All keys, with their defaults").unwrap();
    let (_, block) = after.split_once("```toml\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_block_of_all_keys_sets_the_defaults() {
    let config = parse(&block_of_all_keys()).unwrap_or_else(|error| panic!("{error}"));
    let empty = parse("").unwrap();
    assert_eq!(config.listen, empty.listen);
    assert_eq!(config.watch, empty.watch);
    assert_eq!(config.demo, empty.demo);
    assert_eq!(config.limits, empty.limits);
    assert_eq!(config.requests, empty.requests);
    assert_eq!(config.keyvalue, empty.keyvalue);
    assert_eq!(default_tenant(&config).layers, default_tenant(&empty).layers);
    let echo = parse(ECHO).unwrap();
    let chat = &default_tenant(&config).plugins["chat"];
    let echo = &default_tenant(&echo).plugins["echo"];
    assert_eq!((chat.instances, chat.overflow), (echo.instances, echo.overflow));
    assert_eq!((&chat.layer, chat.rollback), (&echo.layer, echo.rollback));
}

#[test]
fn the_block_of_all_keys_names_every_key() {
    let block = block_of_all_keys();
    let missing: Vec<_> = keys_with_tables()
        .filter(|(_, key, _)| !block.contains(key))
        .map(|(table, key, _)| format!("{table}.{key}"))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}
