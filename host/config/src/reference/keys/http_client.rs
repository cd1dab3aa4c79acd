//! Reference of `[http_client]`.

use crate::reference::config_table::{ConfigKey, ConfigTable, KeyDefault};

pub(super) const HTTP_CLIENT: ConfigTable = ConfigTable {
    name: "http_client",
    keys: &[
        ConfigKey {
            key: "connect_timeout",
            value_type: "duration, at least 1 ms",
            default: KeyDefault::Value("\"5s\""),
            description: "From the lookup of the name to the connection, TLS included.",
        },
        ConfigKey {
            key: "first_byte_timeout",
            value_type: "duration, at least 1 ms",
            default: KeyDefault::Value("\"10s\""),
            description: "From the connection to the head of the response.",
        },
        ConfigKey {
            key: "between_bytes_timeout",
            value_type: "duration, at least 1 ms",
            default: KeyDefault::Value("\"10s\""),
            description: "From one part of the response to the next.",
        },
        ConfigKey {
            key: "total_timeout",
            value_type: "duration, at least 1 ms",
            default: KeyDefault::Value("\"20s\""),
            description: "From the start of the request to the end of the response.",
        },
        ConfigKey {
            key: "max_request",
            value_type: "size",
            default: KeyDefault::Value("\"1 MiB\""),
            description: "Body of a request.",
        },
        ConfigKey {
            key: "max_response",
            value_type: "size",
            default: KeyDefault::Value("\"4 MiB\""),
            description: "Body of a response.",
        },
        ConfigKey {
            key: "max_headers",
            value_type: "integer, 1 to 1000",
            default: KeyDefault::Value("100"),
            description: "Header fields of a request, and of a response.",
        },
        ConfigKey {
            key: "max_requests_per_call",
            value_type: "integer",
            default: KeyDefault::Value("16"),
            description: "Requests that one call may send.",
        },
    ],
};
