//! Tables of keys in the template of a page.

use super::config_table::{ConfigKey, ConfigTable, KeyDefault};
use super::expand_template::escape_cell;

/// Returns a template with the keys of its tables. A line `{{TABLE | HEADING}}` stands for the keys of a table; the last
/// column, which describes each key, has the heading.
pub(super) fn expand_tables(template: &str, tables: &[ConfigTable]) -> String {
    template.lines().map(|line| expand_line(line, tables) + "\n").collect()
}

/// Returns a line of the template, or the keys of the table that the line stands for. A line that names none of the
/// tables stays as it is.
fn expand_line(line: &str, tables: &[ConfigTable]) -> String {
    let marker = line.strip_prefix("{{").and_then(|line| line.strip_suffix("}}"));
    let Some((name, heading)) = marker.and_then(|marker| marker.split_once('|')) else {
        return line.to_owned();
    };
    let table = tables.iter().find(|table| table.name == name.trim());
    table.map_or_else(|| line.to_owned(), |table| format_table(table, heading.trim()))
}

/// Formats the keys of a table. A column of defaults that are all absent is left out.
fn format_table(table: &ConfigTable, heading: &str) -> String {
    let has_defaults = table.keys.iter().any(|key| key.default != KeyDefault::Absent);
    let header = match has_defaults {
        true => format!("| key | type | default | {heading} |\n|---|---|---|---|"),
        false => format!("| key | type | {heading} |\n|---|---|---|"),
    };
    table.keys.iter().fold(header, |page, key| page + "\n" + &format_key(key, has_defaults))
}

fn format_key(key: &ConfigKey, has_defaults: bool) -> String {
    let default = match has_defaults {
        true => format!(" {} |", format_default(key.default)),
        false => String::new(),
    };
    let (name, value_type) = (key.key, escape_cell(key.value_type));
    format!("| `{name}` | {value_type} |{default} {} |", escape_cell(key.description))
}

fn format_default(default: KeyDefault) -> String {
    match default {
        KeyDefault::Value(value) => format!("`{}`", escape_cell(value)),
        KeyDefault::Described(text) => escape_cell(text),
        KeyDefault::Absent => "absent".to_owned(),
        KeyDefault::Alternative => "–".to_owned(),
        KeyDefault::Required => "required".to_owned(),
    }
}
