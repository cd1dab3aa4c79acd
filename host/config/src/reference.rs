//! The reference of limits and of keys as data, from which pages of the documentation are made.

mod config_table;
mod configuration_page;
mod expand_tables;
mod expand_template;
mod keys;
mod limits;
mod manifest_page;
mod manifest_tables;

pub use config_table::{ConfigKey, ConfigTable, KeyDefault};
pub use configuration_page::configuration_reference;
pub use expand_template::{escape_cell, expand_template};
pub use keys::config_tables;
pub use limits::{LimitRow, TenantLimit, limit_rows, limits_reference};
pub use manifest_page::manifest_reference;
pub use manifest_tables::manifest_tables;
