//! Problems of imports, with the line of the import.

use std::collections::HashMap;

use crate::problem::{self, Problem};
use crate::program::Resolution;
use crate::{import_names, runtime_modules, source_file};

/// The problem that an import means no module.
pub fn unresolved(
    files: &HashMap<String, Vec<u8>>,
    base: &str,
    specifier: &str,
    message: &str,
) -> Problem {
    let quotes = ['"', '\'', '`'].map(|quote| format!("{quote}{specifier}{quote}"));
    let find = |line: &str| quotes.iter().find_map(|quoted| line.find(quoted));
    at_line(files, base, find, message).unwrap_or_else(|| problem::in_file(base, message))
}

/// The problem that a module has no export of a name, from the message of the engine.
pub fn missing_export(
    files: &HashMap<String, Vec<u8>>,
    resolutions: &[Resolution],
    message: &str,
) -> Option<Problem> {
    let rest = message.split_once("Could not find export '")?.1;
    let (name, rest) = rest.split_once("' in module '")?;
    let module = rest.split_once('\'')?.0;
    let shown = runtime_modules::specifier_of(module).unwrap_or(module);
    let told = format!("{shown} has no export {name}");
    let importers = resolutions.iter().filter(|resolution| resolution.target == module);
    importers.into_iter().find_map(|importer| at_import(files, importer, name, &told))
}

/// A problem at the import of a name. `None` if the module does not import the name.
fn at_import(
    files: &HashMap<String, Vec<u8>>,
    importer: &Resolution,
    name: &str,
    message: &str,
) -> Option<Problem> {
    let Resolution { base, specifier, .. } = importer;
    let text = String::from_utf8_lossy(files.get(base)?);
    // The text in JavaScript has each name where the source has it.
    let javascript = source_file::to_javascript(base, &text).ok()?;
    let at = import_names::find(&javascript, specifier, name)?;
    let before = text.get(..at)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next()?.chars().count() + 1;
    at_place(base, &text, line, column, message)
}

/// A problem at the first line in which `find` finds a column.
fn at_line(
    files: &HashMap<String, Vec<u8>>,
    path: &str,
    find: impl Fn(&str) -> Option<usize>,
    message: &str,
) -> Option<Problem> {
    let text = String::from_utf8_lossy(files.get(path)?);
    let (index, at) =
        text.lines().enumerate().find_map(|(index, line)| Some((index, find(line)?)))?;
    let column = text.lines().nth(index)?.get(..at)?.chars().count() + 1;
    at_place(path, &text, index + 1, column, message)
}

fn at_place(path: &str, text: &str, line: usize, column: usize, message: &str) -> Option<Problem> {
    let (line, column) = (u32::try_from(line).ok()?, u32::try_from(column).ok());
    Some(problem::at(path, text, line, column, message))
}
