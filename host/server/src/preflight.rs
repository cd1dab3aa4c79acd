//! The limits of the system that `max_connections` requires.

use std::fmt;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use narrowboat_config::Limits;

/// The file descriptors that the host required besides one for each connection.
const RESERVED_FILE_DESCRIPTORS: u64 = 128;

/// The memory mappings of an instance (measured).
const MAPPINGS_PER_INSTANCE: u64 = 5;

/// The memory mappings of the process besides those of instances.
const RESERVED_MAPPINGS: u64 = 1_000;

/// A limit of the system that the host will reach before `max_connections`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemLimitWarning {
    /// The setting to raise.
    setting: &'static str,
    current: u64,
    required: u64,
    max_connections: usize,
    /// The command that raises the limit.
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

/// Raises the open-file limit as far as the process may. Returns the limits that are still too low.
pub fn preflight(limits: &Limits) -> Vec<SystemLimitWarning> {
    let connections = limits.max_connections;
    let files = check_file_limit(
        raise_file_limit(connections as u64 + RESERVED_FILE_DESCRIPTORS),
        connections,
    );
    let mappings = max_map_count().and_then(|current| check_mapping_limit(current, connections));
    files.into_iter().chain(mappings).collect()
}

fn check_file_limit(current: u64, max_connections: usize) -> Option<SystemLimitWarning> {
    let required = max_connections as u64 + RESERVED_FILE_DESCRIPTORS;
    (current < required).then(|| SystemLimitWarning {
        setting: "the open-file limit (RLIMIT_NOFILE)",
        current,
        required,
        max_connections,
        remedy: format!(
            "run `ulimit -n {required}` first, or set LimitNOFILE={required} in the unit"
        ),
    })
}

fn check_mapping_limit(current: u64, max_connections: usize) -> Option<SystemLimitWarning> {
    let required = max_connections as u64 * MAPPINGS_PER_INSTANCE + RESERVED_MAPPINGS;
    (current < required).then(|| SystemLimitWarning {
        setting: "vm.max_map_count",
        current,
        required,
        max_connections,
        remedy: format!("run `sysctl -w vm.max_map_count={required}`"),
    })
}

/// Raises the soft limit to `required`, or to the hard limit if that is lower. Returns the soft limit.
fn raise_file_limit(required: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let target = limit.maximum.map_or(required, |hard| required.min(hard));
    if current >= target {
        return current;
    }
    let raised = Rlimit { current: Some(target), maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_ok() { target } else { current }
}

/// The limit on memory mappings of Linux; `None` on other systems.
fn max_map_count() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sufficient_limit_gives_no_warning() {
        assert_eq!(check_file_limit(20_000, 10_000), None);
        assert_eq!(check_mapping_limit(65_530, 10_000), None);
    }

    #[test]
    fn a_warning_names_the_setting_and_the_command() {
        let text = check_file_limit(1_024, 10_000).unwrap().to_string();
        assert!(text.contains("RLIMIT_NOFILE") && text.contains("ulimit -n 10128"), "{text}");
        let text = check_mapping_limit(65_530, 20_000).unwrap().to_string();
        assert!(text.contains("sysctl -w vm.max_map_count=101000"), "{text}");
    }
}
