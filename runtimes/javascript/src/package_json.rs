//! The file `package.json` of a package.

use serde_json::{Map, Value};

/// The conditions that an entry of `exports` may name, besides `default`.
const CONDITIONS: [&str; 4] = ["narrowboat", "browser", "module", "import"];

/// The entry of `exports` for a subpath.
pub enum Exported {
    /// The package has no `exports`.
    NotThere,
    /// The package does not export the subpath.
    Private,
    /// The package has the subpath only for `require`.
    OnlyForRequire,
    /// The path of the file within the package.
    File(String),
}

/// The file `package.json`.
pub struct PackageJson(Map<String, Value>);

impl PackageJson {
    /// Reads a file.
    ///
    /// # Errors
    /// If it is not an object in JSON.
    pub fn parse(content: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice(content) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err("is not a JSON object".to_owned()),
            Err(error) => Err(format!("is not JSON: {error}")),
        }
    }

    /// Whether the files `.js` of the package are ES modules.
    pub fn is_module_type(&self) -> bool {
        self.text("type") == Some("module")
    }

    /// The path of the main file for the field, without `./`.
    pub fn main_file(&self, field: &str) -> Option<&str> {
        self.text(field).map(|path| path.trim_start_matches("./"))
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field)?.as_str()
    }

    /// Finds a subpath such as `.` or `./parse` in `exports`.
    pub fn export(&self, subpath: &str) -> Exported {
        let exports = match self.0.get("exports") {
            None | Some(Value::Null) => return Exported::NotThere,
            Some(exports) => exports,
        };
        let is_map =
            exports.as_object().is_some_and(|map| map.keys().any(|key| key.starts_with('.')));
        match exports.as_object().filter(|_| is_map) {
            Some(map) => find_in_map(map, subpath),
            None if subpath == "." => exported(exports, ""),
            None => Exported::Private,
        }
    }

    /// Finds a name such as `#config` in `imports`.
    pub fn import(&self, name: &str) -> Exported {
        match self.0.get("imports").and_then(Value::as_object) {
            Some(map) => find_in_map(map, name),
            None => Exported::Private,
        }
    }
}

/// Finds the entry of a subpath: the exact one, or the pattern with the longest text before its `*`.
fn find_in_map(map: &Map<String, Value>, subpath: &str) -> Exported {
    if let Some(target) = map.get(subpath).filter(|_| !subpath.contains('*')) {
        return exported(target, "");
    }
    let matching = map.iter().filter_map(|(key, target)| {
        let (before, after) = key.split_once('*')?;
        let middle = subpath.strip_prefix(before)?.strip_suffix(after)?;
        (!middle.is_empty()).then_some((before.len(), middle, target))
    });
    match matching.max_by_key(|(length, ..)| *length) {
        Some((_, middle, target)) => exported(target, middle),
        None => Exported::Private,
    }
}

fn exported(target: &Value, middle: &str) -> Exported {
    match find_target(target) {
        Some(path) => Exported::File(path.trim_start_matches("./").replace('*', middle)),
        None if target.as_object().is_some_and(|map| map.contains_key("require")) => {
            Exported::OnlyForRequire
        }
        None => Exported::Private,
    }
}

/// Finds the path of the first condition that holds.
fn find_target(target: &Value) -> Option<&str> {
    match target {
        Value::String(path) => Some(path),
        Value::Array(targets) => targets.iter().find_map(find_target),
        Value::Object(conditions) => {
            let holds = |name: &str| name == "default" || CONDITIONS.contains(&name);
            conditions
                .iter()
                .filter(|(name, _)| holds(name))
                .find_map(|(_, target)| find_target(target))
        }
        _ => None,
    }
}
