//! Messages of serde and toml in words for operators.

use super::closest_match::closest_match;

/// Words of serde, and the words of TOML that replace them.
const REPLACEMENTS: [(&str, &str); 15] = [
    ("unknown field `", "unknown key `"),
    ("unknown variant `", "unknown value `"),
    ("missing field `", "missing key `"),
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: map", "invalid type: table"),
    ("expected a sequence", "expected a list"),
    ("expected a map", "expected a table"),
    ("expected a string", "expected a text in quotes"),
    ("expected path string", "expected a path in quotes"),
    ("expected a boolean", "expected a boolean, true or false"),
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected u16", "expected a whole number, 0 or more"),
    ("expected u32", "expected a whole number, 0 or more"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected f64", "expected a number"),
];

/// The words before the name of a Rust struct, for which the file has a table.
const STRUCT_PREFIX: &str = "expected struct ";

/// The keys above the first table.
const TOP_LEVEL_KEYS: [&str; 5] = ["listen", "watch", "demo", "allowed_hosts", "allowed_origins"];

/// Replaces the words of serde and the names of Rust types.
pub(super) fn translate(message: &str) -> String {
    let message = match message.split_once(STRUCT_PREFIX) {
        Some((before, name)) => {
            let rest = name.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
            format!("{before}expected a table{rest}")
        }
        None => message.to_owned(),
    };
    REPLACEMENTS.iter().fold(message, |message, (old, new)| message.replace(old, new))
}

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
            "unknown key `{unknown}`, which is a key of the whole file; write it above the first table, since every \
             key below a line in brackets belongs to that table"
        );
    }
    match closest_match(unknown, known.iter().copied()) {
        Some(name) => format!("{problem}; did you mean `{name}`?"),
        None => problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_serde_become_words_of_toml() {
        for (message, expected) in [
            (
                "invalid type: integer `5`, expected struct RawUsers",
                "invalid type: integer `5`, expected a table",
            ),
            ("missing field `plugin`", "missing key `plugin`"),
            (
                "invalid type: string \"x\", expected usize",
                "invalid type: string \"x\", expected a whole number, 0 or more",
            ),
            (
                "invalid type: map, expected a string",
                "invalid type: table, expected a text in quotes",
            ),
        ] {
            assert_eq!(translate(message), expected);
        }
    }
}
