//! A table of the configuration file or of a manifest, and its keys.

/// A table of the configuration file or of a manifest.
#[derive(Debug)]
pub struct ConfigTable {
    /// The path of the table, such as `plugins.NAME.limits`; empty for the keys above the first table.
    pub name: &'static str,
    /// The keys of the table that are not tables with a [`ConfigTable`] of their own.
    pub keys: &'static [ConfigKey],
}

/// A key of a table.
#[derive(Debug)]
pub struct ConfigKey {
    /// The name of the key.
    pub key: &'static str,
    /// The values that the key takes, as Markdown.
    pub value_type: &'static str,
    /// The value of the key if the file does not set it.
    pub default: KeyDefault,
    /// The effect of the key, as Markdown.
    pub description: &'static str,
}

/// The value of a key that the file does not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDefault {
    /// A value, as TOML.
    Value(&'static str),
    /// The default, in words: it depends on another key or on the system.
    Described(&'static str),
    /// None: without the key nothing applies.
    Absent,
    /// None: the table needs at least one of several keys, and this is one of them.
    Alternative,
    /// The file has to set the key.
    Required,
}
