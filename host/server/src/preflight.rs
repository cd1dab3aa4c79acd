//! What the system must allow before so many connections can be served.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use narrowboat_config::Limits;

/// File descriptors the host needs besides one a connection.
const RESERVED_FILE_DESCRIPTORS: u64 = 128;

/// Memory mappings an instance takes, measured.
const MAPPINGS_PER_INSTANCE: u64 = 5;

/// Memory mappings the process has besides.
const RESERVED_MAPPINGS: u64 = 1_000;

/// A limit of the system that will be reached before `max_connections` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemLimitWarning {
    /// The setting to raise.
    setting: &'static str,
    current: u64,
    required: u64,
    max_connections: usize,
    /// What a person types.
    remedy: String,
}

impl fmt::Display for SystemLimitWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is {}, but max_connections = {} needs {}: {}, or lower max_connections",
            self.setting, self.current, self.max_connections, self.required, self.remedy
        )
    }
}

/// Raises the open-file limit as far as the process may, and names what is still too low.
pub fn preflight(limits: &Limits) -> Vec<SystemLimitWarning> {
    let connections = limits.max_connections;
    let files = check_file_limit(
        raise_file_limit(connections as u64 + RESERVED_FILE_DESCRIPTORS),
        connections,
    );
    let mappings = max_map_count().and_then(|has| check_mapping_limit(has, connections));
    files.into_iter().chain(mappings).collect()
}

fn check_file_limit(has: u64, max_connections: usize) -> Option<SystemLimitWarning> {
    let needs = max_connections as u64 + RESERVED_FILE_DESCRIPTORS;
    (has < needs).then(|| SystemLimitWarning {
        setting: "the open-file limit (RLIMIT_NOFILE)",
        current: has,
        required: needs,
        max_connections,
        remedy: format!("run `ulimit -n {needs}` first, or set LimitNOFILE={needs} in the unit"),
    })
}

fn check_mapping_limit(has: u64, max_connections: usize) -> Option<SystemLimitWarning> {
    let needs = max_connections as u64 * MAPPINGS_PER_INSTANCE + RESERVED_MAPPINGS;
    (has < needs).then(|| SystemLimitWarning {
        setting: "vm.max_map_count",
        current: has,
        required: needs,
        max_connections,
        remedy: format!("run `sysctl -w vm.max_map_count={needs}`"),
    })
}

/// Raises the soft limit up to the hard one; returns what it is then.
fn raise_file_limit(needs: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let has = limit.current.unwrap_or(u64::MAX);
    let wanted = limit.maximum.map_or(needs, |hard| needs.min(hard));
    if has >= wanted {
        return has;
    }
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { has }
}

/// Linux's bound on memory mappings; other systems have none.
fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_not_warned_of() {
        assert_eq!(check_file_limit(20_000, 10_000), None);
        assert_eq!(check_mapping_limit(65_530, 10_000), None);
    }

    #[test]
    fn a_warning_names_the_setting_and_what_to_type() {
        let text = check_file_limit(1_024, 10_000).unwrap().to_string();
        assert!(text.contains("RLIMIT_NOFILE") && text.contains("ulimit -n 10128"), "{text}");
        let text = check_mapping_limit(65_530, 20_000).unwrap().to_string();
        assert!(text.contains("sysctl -w vm.max_map_count=101000"), "{text}");
    }
}
