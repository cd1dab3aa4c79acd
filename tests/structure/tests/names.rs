//! One name has one meaning in the whole host.

use std::collections::BTreeMap;

use narrowboat_structure::host_sources;

/// Names that several types may have: each is private, and known only beside the type that it belongs to.
const ALLOWED_REPEATS: [&str; 3] = ["Builder", "Error", "Inner"];

#[test]
fn no_type_name_stands_for_two_things() {
    let mut definitions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in host_sources() {
        for name in file.type_names() {
            definitions.entry(name).or_default().push(file.path.clone());
        }
    }
    assert!(definitions.len() > 400, "only {} types were found", definitions.len());
    let repeats: BTreeMap<_, _> = definitions
        .into_iter()
        .filter(|(name, files)| files.len() > 1 && !ALLOWED_REPEATS.contains(&&**name))
        .collect();
    assert!(repeats.is_empty(), "these names stand for several types: {repeats:#?}");
}
