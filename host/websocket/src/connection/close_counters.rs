//! How the connections of a plugin ended, by who ended them and with which code.

use std::sync::atomic::{AtomicU64, Ordering};

use narrowboat_core::close_frame::code;

/// The codes that are told apart.
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

/// As figures call them; at the end those that applications choose (RFC 6455, section 7.4.2), and the rest.
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

/// Counts of one plugin's connections that are over.
#[derive(Debug, Default)]
pub struct CloseCounters {
    host: [AtomicU64; CODE_LABELS.len()],
    client: [AtomicU64; CODE_LABELS.len()],
}

impl CloseCounters {
    /// Counts one that this side ended, or whose client broke a rule.
    pub fn record_host_close(&self, code: u16) {
        self.host[label_index(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that its client ended, or that was lost.
    pub fn record_client_close(&self, code: u16) {
        self.client[label_index(code)].fetch_add(1, Ordering::Relaxed);
    }

    /// Who ended them, with which code, and how many.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let sides = [("host", &self.host), ("client", &self.client)];
        sides.into_iter().flat_map(|(by, counts)| {
            CODE_LABELS
                .into_iter()
                .zip(counts)
                .map(move |(code, count)| (by, code, count.load(Ordering::Relaxed)))
        })
    }
}

fn label_index(code: u16) -> usize {
    let known = COUNTED_CODES.iter().position(|known| *known == code);
    known.unwrap_or(if (3000..=4999).contains(&code) {
        COUNTED_CODES.len()
    } else {
        COUNTED_CODES.len() + 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_name() {
        for (code, name) in COUNTED_CODES.into_iter().zip(CODE_LABELS) {
            assert_eq!(code.to_string(), name);
        }
        for (code, name) in
            [(3000, "3000-4999"), (4999, "3000-4999"), (5000, "other"), (0, "other")]
        {
            assert_eq!(CODE_LABELS[label_index(code)], name);
        }
    }

    #[test]
    fn who_ended_it_is_told_apart() {
        let closures = CloseCounters::default();
        closures.record_host_close(code::POLICY_VIOLATION);
        closures.record_client_close(code::POLICY_VIOLATION);
        closures.record_client_close(4000);
        let some: Vec<_> = closures.counts().filter(|(.., count)| *count > 0).collect();
        assert_eq!(some, [("host", "1008", 1), ("client", "1008", 1), ("client", "3000-4999", 1)]);
    }
}
