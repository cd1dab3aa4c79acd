//! `[plugins.NAME.config]`: the settings that a plugin reads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use thiserror::Error;
use toml::{Spanned, Table, Value};

use crate::error::{ConfigError, Locator};
use crate::secret::{Secret, SecretSource};

/// The most settings of a plugin.
pub const MAX_SETTINGS: usize = 256;

/// The longest key of a setting, in bytes.
pub const MAX_SETTING_KEY_BYTES: usize = 256;

/// The longest value of a setting, in bytes.
pub const MAX_SETTING_VALUE_BYTES: usize = 64 * 1024;

/// The text that is shown in place of a secret.
pub const HIDDEN_SECRET: &str = "(secret)";

/// The forms of a reference, for errors.
const REFERENCE_FORMS: &str = "{ file = \"PATH\" } or { env = \"NAME\" }";

/// The settings that a plugin reads. A table below the table of the plugin gives keys with dots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsConfig(BTreeMap<String, SettingValue>);

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SettingValue {
    Plain(String),
    Secret(Secret),
}

impl SettingsConfig {
    /// The keys, and the values of this moment. Secrets without a value are left out.
    pub fn values(&self) -> BTreeMap<String, String> {
        let value = |value: &SettingValue| match value {
            SettingValue::Plain(text) => Some(text.clone()),
            SettingValue::Secret(secret) => secret.value().map(|text| text.to_string()),
        };
        self.0.iter().filter_map(|(key, it)| Some((key.clone(), value(it)?))).collect()
    }

    /// The keys and values for people, with [`HIDDEN_SECRET`] in place of each secret.
    pub fn shown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| match value {
            SettingValue::Plain(text) => (key.as_str(), text.as_str()),
            SettingValue::Secret(_) => (key.as_str(), HIDDEN_SECRET),
        })
    }

    /// Checks the table `config` of the plugin whose table is `plugin`, such as `plugins.chat`.
    pub(super) fn check(
        raw: &Spanned<Table>,
        plugin: &str,
        folder: &Path,
        location: &Locator<'_>,
    ) -> Result<Self, ConfigError> {
        let table = format!("{plugin}.config");
        let secrets = Some(SecretSettings { folder, location });
        let check = SettingsCheck { entries: BTreeMap::new(), secrets };
        match check.add_all(raw.get_ref()) {
            Ok(entries) => Ok(Self(entries)),
            Err(SettingProblem { path, problem }) => {
                let (prefix, keys) = (&location.key_prefix, path.join("."));
                let tables = prefix.split('.').filter(|name| !name.is_empty());
                let above = tables.chain(table.split('.'));
                let span = location.find_value(above.chain(path.iter().map(String::as_str)));
                let key = if keys.is_empty() { table.clone() } else { format!("{table}.{keys}") };
                Err(location.invalid(span, &key, problem))
            }
        }
    }
}

/// The keys and values of a table that a test of a plugin sets, by the rules of `[plugins.NAME.config]`. A reference to a
/// secret is refused, because a test sets the value itself.
///
/// # Errors
/// The first setting that cannot be used.
pub fn flatten_settings(table: &Table) -> Result<BTreeMap<String, String>, SettingProblem> {
    let check = SettingsCheck { entries: BTreeMap::new(), secrets: None };
    Ok(SettingsConfig(check.add_all(table)?).values())
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("config.{}: {problem}", .path.join("."))]
pub struct SettingProblem {
    /// The names of the tables below `config`, and the name of the setting.
    path: Vec<String>,
    problem: String,
}

/// Collects the settings of a plugin.
struct SettingsCheck<'a> {
    entries: BTreeMap<String, SettingValue>,
    /// `None` if references to secrets are refused.
    secrets: Option<SecretSettings<'a>>,
}

/// The place of the configuration, for settings with references to secrets.
#[derive(Clone, Copy)]
struct SecretSettings<'a> {
    /// The folder of the configuration file, to which paths of files are relative.
    folder: &'a Path,
    location: &'a Locator<'a>,
}

impl SettingsCheck<'_> {
    /// Adds the values of the table, and returns all settings.
    fn add_all(mut self, table: &Table) -> Result<BTreeMap<String, SettingValue>, SettingProblem> {
        self.add_table(&mut Vec::new(), table)?;
        Ok(self.entries)
    }

    /// The folder of the configuration file. References are recognized without one too.
    fn folder(&self) -> &Path {
        self.secrets.map_or(Path::new(""), |secrets| secrets.folder)
    }

    /// Adds the values of a table. `path` has the names of the tables above them.
    fn add_table(&mut self, path: &mut Vec<String>, table: &Table) -> Result<(), SettingProblem> {
        for (name, value) in table {
            path.push(name.clone());
            match value {
                Value::Table(inner) => match SecretSource::parse(inner, self.folder()) {
                    Some(source) => self.add_secret(path, source)?,
                    None => {
                        self.check_table(path, inner)?;
                        self.add_table(path, inner)?;
                    }
                },
                Value::Array(list) => {
                    let mut text = String::new();
                    let result = list.iter().try_for_each(|item| check_item(item, self.folder()));
                    result.and_then(|()| write_json(&mut text, value)).map_err(|problem| {
                        SettingProblem { path: path.clone(), problem: problem.to_owned() }
                    })?;
                    self.add(path, SettingValue::Plain(text))?;
                }
                scalar => self.add(path, SettingValue::Plain(scalar_text(scalar)))?,
            }
            path.pop();
        }
        Ok(())
    }

    /// Checks that a table is not meant as a reference, which would reach the plugin as a plain setting.
    fn check_table(&self, path: &[String], table: &Table) -> Result<(), SettingProblem> {
        let Some(key) = SecretSource::misspelt_key(table) else { return Ok(()) };
        let dotted = format!("{}.{key}", path.join("."));
        let problem = format!(
            "the key {key:?} of a table is for a reference to a secret, which is {REFERENCE_FORMS} without other keys; for a \
             plain setting write `{dotted:?} = \"…\"` in the table config"
        );
        Err(SettingProblem { path: path.to_vec(), problem })
    }

    fn add_secret(&mut self, path: &[String], source: SecretSource) -> Result<(), SettingProblem> {
        let Some(SecretSettings { location, .. }) = self.secrets else {
            let problem = "is a reference to a secret; a test sets the value itself, as a text";
            return Err(SettingProblem { path: path.to_vec(), problem: problem.to_owned() });
        };
        let secret = location.secrets.secret(source).map_err(|error| {
            let hint = match error.source_of {
                SecretSource::Env(_) => {
                    let keys = format!("{}.env", path.join("."));
                    format!("; for a plain value write `{keys:?} = \"…\"` in the table config")
                }
                _ => String::new(),
            };
            SettingProblem { path: path.to_vec(), problem: format!("{error}{hint}") }
        })?;
        self.add(path, SettingValue::Secret(secret))
    }

    /// Adds a setting, whose key is the path with dots.
    fn add(&mut self, path: &[String], value: SettingValue) -> Result<(), SettingProblem> {
        let key = path.join(".");
        let fail = |problem: String| Err(SettingProblem { path: path.to_vec(), problem });
        if path.iter().any(String::is_empty) {
            return fail("the key of a setting must not be empty".to_owned());
        }
        if key.len() > MAX_SETTING_KEY_BYTES || key.chars().any(char::is_control) {
            return fail(format!(
                "the key of a setting must have at most {MAX_SETTING_KEY_BYTES} bytes, with those of the tables above \
                 it, and no control characters"
            ));
        }
        match &value {
            SettingValue::Plain(text) if text.len() > MAX_SETTING_VALUE_BYTES => {
                return fail(format!("must have at most {MAX_SETTING_VALUE_BYTES} bytes"));
            }
            _ => {}
        }
        if self.entries.len() >= MAX_SETTINGS {
            return fail(format!("a plugin may have at most {MAX_SETTINGS} settings"));
        }
        if self.entries.insert(key, value).is_some() {
            let problem =
                "is set twice, once as a key with dots and once in a table; remove one of the two";
            return fail(problem.to_owned());
        }
        Ok(())
    }
}

/// Checks that an item of a list is not meant as a reference, which would reach the plugin as text.
fn check_item(item: &Value, folder: &Path) -> Result<(), &'static str> {
    match item {
        Value::Table(table) if SecretSource::parse(table, folder).is_some() => {
            Err("has a reference to a secret in a list; give the secret a key of its own")
        }
        Value::Table(table) if SecretSource::misspelt_key(table).is_some() => Err(
            "has a table with the key `file` or `env` in a list; give a secret a key of its own, and write a list that is \
                 meant as it is as JSON in quotes",
        ),
        Value::Table(table) => table.values().try_for_each(|item| check_item(item, folder)),
        Value::Array(list) => list.iter().try_for_each(|item| check_item(item, folder)),
        _ => Ok(()),
    }
}

/// The text of a value that is neither a list nor a table: a string as it is, other values as TOML writes them.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => "nan".to_owned(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(_) | Value::Table(_) => String::new(),
    }
}

/// Appends a value as JSON. Dates become strings.
fn write_json(json: &mut String, value: &Value) -> Result<(), &'static str> {
    match value {
        Value::String(text) => write_json_string(json, text),
        Value::Datetime(time) => write_json_string(json, &time.to_string()),
        Value::Float(number) if !number.is_finite() => {
            return Err("has a number that JSON cannot express; write it as a text");
        }
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {
            json.push_str(&scalar_text(value));
        }
        Value::Array(list) => {
            json.push('[');
            for (index, item) in list.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_json(json, item)?;
            }
            json.push(']');
        }
        Value::Table(table) => {
            json.push('{');
            for (index, (key, item)) in table.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_json_string(json, key);
                json.push(':');
                write_json(json, item)?;
            }
            json.push('}');
        }
    }
    Ok(())
}

fn write_json_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            // Writing to a string does not fail.
            control if control.is_control() && control.is_ascii() => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
}
