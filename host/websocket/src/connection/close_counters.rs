//! Counters of ended connections.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_core::close_frame::code;

/// The close codes that have a counter of their own.
const COUNTED_CODES: [u16; 14] = [
    code::NORMAL_CLOSURE,
    code::GOING_AWAY,
    code::PROTOCOL_ERROR,
    code::UNSUPPORTED_DATA,
    code::NO_STATUS_RECEIVED,
    code::ABNORMAL_CLOSURE,
    code::INVALID_PAYLOAD_DATA,
    code::POLICY_VIOLATION,
    code::MESSAGE_TOO_BIG,
    code::MANDATORY_EXTENSION,
    code::INTERNAL_ERROR,
    code::SERVICE_RESTART,
    code::TRY_AGAIN_LATER,
    code::BAD_GATEWAY,
];

/// The metric labels of the codes, followed by those of the application codes (RFC 6455, section 7.4.2) and of all
/// others.
const CODE_LABELS: [&str; COUNTED_CODES.len() + 2] = [
    "1000",
    "1001",
    "1002",
    "1003",
    "1005",
    "1006",
    "1007",
    "1008",
    "1009",
    "1010",
    "1011",
    "1012",
    "1013",
    "1014",
    "3000-4999",
    "other",
];

/// Counters of one plugin's ended connections, by the side that closed and by the close code.
#[derive(Debug, Default)]
pub struct CloseCounters {
    host: [AtomicU64; CODE_LABELS.len()],
    client: [AtomicU64; CODE_LABELS.len()],
}

impl CloseCounters {
    /// Counts a connection that this host closed, or whose client caused a fault.
    pub fn record_host_close(&self, code: u16) {
        self.host[label_index(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that its client closed, or that was lost.
    pub fn record_client_close(&self, code: u16) {
        self.client[label_index(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns all counters: the side (`host` or `client`), the label of the code, and the number of connections.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let sides = [("host", &self.host), ("client", &self.client)];
        sides.into_iter().flat_map(|(side, counts)| {
            CODE_LABELS
                .into_iter()
                .zip(counts)
                .map(move |(code, count)| (side, code, count.load(Ordering::Relaxed)))
        })
    }
}

/// Returns the index in [`CODE_LABELS`] for a close code.
fn label_index(code: u16) -> usize {
    let index = COUNTED_CODES.iter().position(|counted| *counted == code);
    index.unwrap_or(if (3000..=4999).contains(&code) {
        COUNTED_CODES.len()
    } else {
        COUNTED_CODES.len() + 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_label() {
        for (code, label) in COUNTED_CODES.into_iter().zip(CODE_LABELS) {
            assert_eq!(code.to_string(), label);
        }
        for (code, label) in
            [(3000, "3000-4999"), (4999, "3000-4999"), (5000, "other"), (0, "other")]
        {
            assert_eq!(CODE_LABELS[label_index(code)], label);
        }
    }

    #[test]
    fn closes_of_host_and_client_are_counted_separately() {
        let counters = CloseCounters::default();
        counters.record_host_close(code::POLICY_VIOLATION);
        counters.record_client_close(code::POLICY_VIOLATION);
        counters.record_client_close(4000);
        let nonzero: Vec<_> = counters.counts().filter(|(.., count)| *count > 0).collect();
        assert_eq!(
            nonzero,
            [("host", "1008", 1), ("client", "1008", 1), ("client", "3000-4999", 1)]
        );
    }
}
