//! The reference of limits and of keys as data, from which pages of the documentation are made.

mod config_table;
mod configuration_page;
mod keys;
mod limits;

pub use config_table::{ConfigKey, ConfigTable, KeyDefault};
pub use configuration_page::configuration_reference;
pub use keys::config_tables;
pub use limits::{LimitRow, TenantLimit, limit_rows, limits_reference};
