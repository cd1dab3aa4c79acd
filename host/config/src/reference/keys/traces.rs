//! Reference of `[traces]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const TRACES: ConfigTable = ConfigTable {
    name: "traces",
    keys: &[
        ConfigKey {
            key: "endpoint",
            value_type: "URL, `http`",
            default: KeyDefault::Required,
            description: "A collector that accepts OTLP over HTTP as JSON.",
        },
        ConfigKey {
            key: "sample_ratio",
            value_type: "number, above 0 and at most 1",
            default: KeyDefault::Value("0.01"),
            description: "The share of all traces that the host sends.",
        },
    ],
};
