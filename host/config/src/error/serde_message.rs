//! Messages of serde, in words for operators.

use super::closest_match::closest_match;

/// Replaces names of Rust types, which serde uses, by words.
pub(super) fn describe_type_names(problem: &str) -> String {
    problem
        .replace("expected usize", "expected a whole number, 0 or more")
        .replace("expected path string", "expected a path in quotes")
}

/// The keys above the first table.
const TOP_LEVEL_KEYS: [&str; 5] = ["listen", "watch", "demo", "allowed_hosts", "allowed_origins"];

/// Adds the key or value that was probably meant to the error for an unknown one. For a key above the first table that
/// was found in a table, the error says where to write it.
pub(super) fn with_suggestion(problem: &str, in_table: bool) -> String {
    let words: Vec<&str> = problem.split('`').skip(1).step_by(2).collect();
    let [unknown, known @ ..] = words.as_slice() else { return problem.to_owned() };
    if !problem.starts_with("unknown") {
        return problem.to_owned();
    }
    if in_table && TOP_LEVEL_KEYS.contains(unknown) {
        return format!(
            "unknown field `{unknown}`, which is a key of the whole file; write it above the first table, since every key \
             below a line in brackets belongs to that table"
        );
    }
    match closest_match(unknown, known.iter().copied()) {
        Some(name) => format!("{problem}; did you mean `{name}`?"),
        None => problem.to_owned(),
    }
}
