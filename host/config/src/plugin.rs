//! `[plugins.NAME]`: where a plugin comes from, what it may do and how it runs.

mod failed_move_policy;
mod overflow_policy;
mod plugin_config;
mod raw_plugin;
mod rollback_policy;
mod settings_config;

pub use failed_move_policy::FailedMovePolicy;
pub use overflow_policy::OverflowPolicy;
pub use plugin_config::{PluginConfig, PluginSource, PluginUse};
pub use rollback_policy::RollbackPolicy;
pub use settings_config::{
    HIDDEN_SECRET, MAX_SETTING_KEY_BYTES, MAX_SETTING_VALUE_BYTES, MAX_SETTINGS, SettingProblem,
    SettingsConfig, flatten_settings,
};

pub(super) use plugin_config::unknown_plugin_message;
pub(super) use raw_plugin::{RawPlugin, check_all, check_instances};
