//! Finds the file that an import means: a file of the plugin, or one of a package in `node_modules`.

use std::collections::HashMap;

use crate::compiler::ENDINGS;

/// Finds the file that a specifier means in the file `base`.
///
/// # Errors
/// A text for the author.
pub fn resolve(files: &HashMap<String, Vec<u8>>, base: &str, specifier: &str) -> Result<String, String> {
    if let Some(name) = specifier.strip_prefix("node:") {
        return Err(format!("the runtime has no module of Node.js such as {name:?}"));
    }
    let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
    if !specifier.starts_with("./") && !specifier.starts_with("../") && !specifier.starts_with('/') {
        return find_file(files, specifier).ok_or_else(|| {
            format!("the plugin has no module {specifier:?}: put the package into node_modules, or write \"./{specifier}\" for a file")
        });
    }
    let path = join(folder, specifier).ok_or_else(|| format!("{specifier:?} is outside the plugin's folder"))?;
    find_file(files, &path).ok_or_else(|| format!("the plugin has no file {path}"))
}

/// Finds a file by its path, also if the path lacks its ending, or has the one of the compiled file.
fn find_file(files: &HashMap<String, Vec<u8>>, path: &str) -> Option<String> {
    let source = path.strip_suffix(".js").map(|stem| format!("{stem}.ts"));
    let module_source = path.strip_suffix(".mjs").map(|stem| format!("{stem}.mts"));
    let with_ending = ENDINGS.iter().map(|ending| format!("{path}{ending}"));
    let mut candidates =
        [Some(path.to_owned()), source, module_source].into_iter().flatten().chain(with_ending);
    candidates.find(|candidate| files.contains_key(candidate))
}

/// Joins a folder and a relative path. `None` if the result is outside the plugin's folder.
fn join(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.retain(|part| !part.is_empty());
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}
