//! Each type name has one meaning in the whole host.

use std::collections::BTreeMap;

use narrowboat_structure::host_sources;

/// Names that several types may have. Each of these types is private and belongs to another type.
const ALLOWED_REPEATS: [&str; 3] = ["Builder", "Error", "Inner"];

#[test]
fn no_two_types_share_a_name() {
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
    assert!(repeats.is_empty(), "several types have the same name: {repeats:#?}");
}
