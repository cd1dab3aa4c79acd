//! Tables for people.

use super::cli_error::CliError;
use super::output;
use narrowboat_core::name::Tenant;

/// Prints rows below a head, each column as wide as its widest cell. Control characters are escaped, since clients choose
/// values such as paths.
///
/// # Errors
/// As [`output::print`].
pub(super) fn print<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Result<(), CliError> {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| row.each_ref().map(|cell| escape_controls(cell))).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |cells: [&str; N]| {
        let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut text = line(head);
    for row in &rows {
        text += &line(std::array::from_fn(|column| &*row[column]));
    }
    output::print(&text)
}

/// Escapes the control characters of a cell.
fn escape_controls(cell: &str) -> String {
    cell.chars()
        .flat_map(|character| match character.is_control() {
            true => character.escape_default().collect::<Vec<_>>(),
            false => vec![character],
        })
        .collect()
}

/// Formats a number of bytes with its unit.
pub(super) fn format_bytes(count: u64) -> String {
    bytesize::ByteSize::b(count).to_string()
}

/// Formats a duration in its largest unit.
pub(super) fn format_duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns the first digits of a version.
pub(super) fn short_version(version: &str) -> String {
    version.chars().take(12).collect()
}

/// Returns the label of a tenant's plugin or layer, as the log has it.
pub(super) fn tenant_label(tenant: &str, name: &str) -> String {
    match tenant.parse::<Tenant>() {
        Ok(tenant) => tenant.plugin_label(name),
        Err(_) => name.to_owned(),
    }
}
