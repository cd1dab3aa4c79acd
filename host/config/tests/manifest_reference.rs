//! The reference of the manifest has every key and every default that the host reads, and the page of the documentation
//! is made from it.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod support;

use std::collections::BTreeSet;

use narrowboat_config::{
    ConfigKey, KeyDefault, config_tables, manifest_reference, manifest_tables,
};
use narrowboat_core::manifest::Manifest;
use support::expected_names;

/// The keys that a manifest has to set.
const REQUIRED: &str = "name = \"echo\"\n";

/// A manifest that ends in a table.
fn text_up_to(table: &str) -> String {
    let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    REQUIRED.to_owned() + &header
}

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text.as_bytes()).map_err(|error| error.to_string())
}

/// Every key of the reference with its table.
fn keys_with_tables() -> impl Iterator<Item = (&'static str, &'static ConfigKey)> {
    manifest_tables().iter().flat_map(|table| table.keys.iter().map(|key| (table.name, key)))
}

#[test]
fn the_reference_has_every_key_of_the_manifest_once() {
    let names: BTreeSet<_> = manifest_tables().iter().map(|table| table.name).collect();
    assert_eq!(names.len(), manifest_tables().len());
    for table in manifest_tables() {
        let mut described: Vec<_> = table.keys.iter().map(|key| key.key.to_owned()).collect();
        if table.name.is_empty() {
            described.extend(
                names.iter().filter(|name| !name.is_empty()).map(|name| (*name).to_owned()),
            );
        }
        let error = parse(&format!("{}nonsense = 1\n", text_up_to(table.name))).unwrap_err();
        let listed = described.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(listed.len(), described.len(), "a key of {:?} is listed twice", table.name);
        assert_eq!(listed, expected_names(&error), "{:?}", table.name);
    }
}

#[test]
fn setting_a_key_of_the_manifest_to_its_default_changes_nothing() {
    let mut count = 0;
    for (table, key) in keys_with_tables() {
        let KeyDefault::Value(value) = key.default else { continue };
        let set = parse(&format!("{}{} = {value}\n", text_up_to(table), key.key));
        assert_eq!(set, parse(REQUIRED), "{table}.{}", key.key);
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn only_the_required_key_of_the_manifest_is_required() {
    let required: Vec<_> =
        keys_with_tables().filter(|(_, key)| key.default == KeyDefault::Required).collect();
    assert_eq!(required.len(), 1);
    assert!(parse("").unwrap_err().contains(&format!("`{}`", required[0].1.key)));
    assert!(parse(REQUIRED).is_ok());
}

#[test]
fn a_limit_that_the_manifest_does_not_set_is_the_one_of_the_configuration() {
    let limits = parse(REQUIRED).unwrap().limits;
    assert_eq!((limits.memory, limits.call_time, limits.worker_time), (None, None, None));
    let of_host = config_tables().iter().find(|table| table.name == "limits");
    for (table, key) in keys_with_tables() {
        let KeyDefault::Described(described) = key.default else { continue };
        assert_eq!(table, "limits", "{}", key.key);
        let in_configuration = of_host.unwrap().keys.iter().find(|other| other.key == key.key);
        let KeyDefault::Value(value) = in_configuration.unwrap().default else {
            panic!("{} has no default in the configuration", key.key)
        };
        let expected = format!("the configuration's, which defaults to `{value}`");
        assert_eq!(described, expected, "{}", key.key);
    }
}

#[test]
fn a_key_with_a_choice_lists_the_values_that_the_host_reads() {
    let mut count = 0;
    for (table, key) in keys_with_tables().filter(|(_, key)| key.value_type.starts_with("`\"")) {
        let error =
            parse(&format!("{}{} = \"nonsense\"\n", text_up_to(table), key.key)).unwrap_err();
        let listed = key.value_type.split("`\"").skip(1);
        let listed: BTreeSet<_> =
            listed.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        assert_eq!(listed, expected_names(&error), "{table}.{}", key.key);
        count += 1;
    }
    assert_eq!(count, 4);
}

#[test]
fn the_committed_page_of_the_manifest_is_the_generated_one() {
    let page = include_str!("../../../docs/reference/manifest.md");
    assert!(
        manifest_reference() == page,
        "run narrowboat reference manifest > docs/reference/manifest.md"
    );
    assert!(!page.contains("{{"), "a line of the template names none of the tables");
}
