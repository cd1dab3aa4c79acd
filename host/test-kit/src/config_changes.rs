//! The changes that a test makes to the configuration of its plugin.

use std::collections::BTreeMap;
use std::str::FromStr;

use rmpv::Value as WireValue;
use toml::value::Datetime;
use toml::{Table, Value};

use narrowboat_config::{MAX_SETTINGS, flatten_settings};

/// The key under which the runtimes send a date. It cannot be the key of a setting.
const DATE: &str = "\0date";

/// Returns the settings after the changes of a test: a map with the values of any keys. Tables give keys with dots, and null
/// removes a key.
///
/// # Errors
/// The first value that `[plugins.NAME.config]` could not have.
pub(crate) fn apply(
    settings: &BTreeMap<String, String>,
    changes: WireValue,
) -> Result<BTreeMap<String, String>, String> {
    let mut reader = ChangeReader::default();
    let WireValue::Map(entries) = changes else {
        return Err("config: the settings are a table".to_owned());
    };
    let table = reader.read_table(entries)?;
    let changed = flatten_settings(&table).map_err(|error| error.to_string())?;
    let mut settings = settings.clone();
    for (key, value) in changed {
        match reader.removed.contains(&key) {
            true => settings.remove(&key),
            false => settings.insert(key, value),
        };
    }
    match settings.len() > MAX_SETTINGS {
        true => Err(format!("config: a plugin may have at most {MAX_SETTINGS} settings")),
        false => Ok(settings),
    }
}

/// Reads the values of a language as those of TOML.
#[derive(Default)]
struct ChangeReader {
    /// The names of the tables and of the setting that is read.
    path: Vec<String>,
    /// The keys that are removed. They are in the table too, so that they follow the rules for keys.
    removed: Vec<String>,
}

impl ChangeReader {
    fn read_table(&mut self, entries: Vec<(WireValue, WireValue)>) -> Result<Table, String> {
        let mut table = Table::new();
        for (name, value) in entries {
            let name = self.read_name(&name)?;
            self.path.push(name.clone());
            let value = match value {
                WireValue::Nil => {
                    self.removed.push(self.path.join("."));
                    Value::String(String::new())
                }
                WireValue::Map(entries) if !is_date(&entries) => {
                    Value::Table(self.read_table(entries)?)
                }
                other => self.read_value(other)?,
            };
            self.path.pop();
            table.insert(name, value);
        }
        Ok(table)
    }

    fn read_name(&self, name: &WireValue) -> Result<String, String> {
        match name.as_str() {
            Some(name) => Ok(name.to_owned()),
            None => self.fail(&format!("the key of a setting is a text, not {name}")),
        }
    }

    /// Reads a value that is not a table of settings: a table in it becomes JSON, in which nothing can be removed.
    fn read_value(&self, value: WireValue) -> Result<Value, String> {
        match value {
            WireValue::Boolean(flag) => Ok(Value::Boolean(flag)),
            WireValue::Integer(number) => match number.as_i64() {
                Some(number) => Ok(Value::Integer(number)),
                None => self.fail("a whole number of TOML has at most 64 bits"),
            },
            WireValue::F32(number) => Ok(Value::Float(number.into())),
            WireValue::F64(number) => Ok(Value::Float(number)),
            WireValue::String(text) => match text.into_str() {
                Some(text) => Ok(Value::String(text)),
                None => self.fail("the text is not UTF-8"),
            },
            WireValue::Array(items) => {
                let items = items.into_iter().map(|item| self.read_value(item));
                Ok(Value::Array(items.collect::<Result<_, _>>()?))
            }
            WireValue::Map(entries) => self.read_map(entries),
            WireValue::Nil => self.fail("TOML has no null; leave the value out"),
            WireValue::Binary(_) | WireValue::Ext(..) => {
                self.fail("bytes are no value of TOML; write them as a text, such as base64")
            }
        }
    }

    /// Reads a date, or a table in a list.
    fn read_map(&self, entries: Vec<(WireValue, WireValue)>) -> Result<Value, String> {
        if is_date(&entries) {
            let text = entries.first().and_then(|(_, text)| text.as_str()).unwrap_or_default();
            return match Datetime::from_str(text) {
                Ok(date) => Ok(Value::Datetime(date)),
                Err(_) => self.fail(&format!("{text} is not a date or a time of TOML")),
            };
        }
        let entries = entries.into_iter();
        let entries = entries.map(|(name, it)| Ok((self.read_name(&name)?, self.read_value(it)?)));
        Ok(Value::Table(entries.collect::<Result<_, String>>()?))
    }

    fn fail<T>(&self, problem: &str) -> Result<T, String> {
        let keys: String = self.path.iter().map(|name| format!(".{name}")).collect();
        Err(format!("config{keys}: {problem}"))
    }
}

fn is_date(entries: &[(WireValue, WireValue)]) -> bool {
    matches!(entries, [(name, _)] if name.as_str() == Some(DATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, WireValue)]) -> WireValue {
        WireValue::Map(
            entries.iter().map(|(name, value)| ((*name).into(), value.clone())).collect(),
        )
    }

    /// The settings that a test sets, with those of the same table in `narrowboat.toml`.
    fn apply_to_none(entries: &[(&str, WireValue)]) -> Result<BTreeMap<String, String>, String> {
        apply(&BTreeMap::new(), map(entries))
    }

    #[test]
    fn a_test_sets_what_the_table_in_the_configuration_would_set() {
        let date = map(&[(DATE, "2026-03-28T12:00:00Z".into())]);
        let list = WireValue::Array(vec![1.into(), date.clone(), map(&[("b", 1.5.into())])]);
        let set = apply_to_none(&[
            ("text", "a b".into()),
            ("flag", true.into()),
            ("number", (-3).into()),
            ("half", 0.5.into()),
            ("none", f64::NAN.into()),
            ("date", date),
            ("list", list),
            ("smtp", map(&[("host", "h".into()), ("tls", map(&[("on", false.into())]))])),
        ]);
        let text = "text = 'a b'\nflag = true\nnumber = -3\nhalf = 0.5\nnone = nan\ndate = 2026-03-28T12:00:00Z\n\
                    list = [1, 2026-03-28T12:00:00Z, { b = 1.5 }]\nsmtp = { host = 'h', tls.on = false }";
        let table: Table = text.parse().expect("the table is valid");
        assert_eq!(set.as_ref(), Ok(&flatten_settings(&table).expect("the settings are valid")));
        assert_eq!(
            set.expect("the settings are valid")["list"],
            r#"[1,"2026-03-28T12:00:00Z",{"b":1.5}]"#
        );
    }

    #[test]
    fn null_removes_a_key_and_the_others_stay() {
        let before =
            BTreeMap::from(["a", "b.c", "b.d"].map(|key| (key.to_owned(), key.to_owned())));
        let changes = map(&[("a", WireValue::Nil), ("b", map(&[("c", WireValue::Nil)]))]);
        let after = apply(&before, changes).expect("the changes are valid");
        assert_eq!(after.keys().collect::<Vec<_>>(), ["b.d"]);
    }

    #[test]
    fn a_setting_that_the_configuration_could_not_have_is_refused_with_its_key() {
        let refused = |name: &str, value: WireValue| {
            apply_to_none(&[("smtp", map(&[(name, value)]))]).expect_err("the setting is refused")
        };
        assert_eq!(refused("", 1.into()), "config.smtp.: the key of a setting must not be empty");
        assert_eq!(
            refused("", WireValue::Nil),
            "config.smtp.: the key of a setting must not be empty"
        );
        assert!(refused(&"k".repeat(300), 1.into()).contains("must have at most 256 bytes"));
        assert!(refused("a", "v".repeat(65_537).into()).ends_with("must have at most 65536 bytes"));
        let list = WireValue::Array(vec![WireValue::Nil]);
        assert_eq!(refused("a", list), "config.smtp.a: TOML has no null; leave the value out");
        let infinite = WireValue::Array(vec![f64::INFINITY.into()]);
        assert!(refused("a", infinite).contains("a number that JSON cannot express"));
        assert!(refused("a", u64::MAX.into()).contains("at most 64 bits"));
        assert!(refused("a", WireValue::Binary(vec![1])).contains("bytes are no value of TOML"));
        let secret = map(&[("env", "TOKEN".into())]);
        assert!(refused("a", secret).contains("is a reference to a secret; a test sets the value"));
    }

    #[test]
    fn a_key_that_is_set_twice_is_refused() {
        let twice = apply_to_none(&[("a.b", 1.into()), ("a", map(&[("b", 2.into())]))]);
        assert!(twice.is_err_and(|error| error.starts_with("config.a.b: is set twice")));
    }

    #[test]
    fn a_plugin_has_a_bounded_number_of_settings() {
        let numbers = 0..=MAX_SETTINGS;
        let before = numbers.map(|number| (format!("k{number}"), String::new())).skip(1).collect();
        let more = apply(&before, map(&[("one", 1.into())]));
        assert_eq!(more, Err("config: a plugin may have at most 256 settings".to_owned()));
        assert!(apply(&before, map(&[("k1", 1.into())])).is_ok());
    }
}
