//! The memory of a process by its mappings.

use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The totals of all mappings of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MappingTotals {
    /// The number of mappings.
    pub(crate) mappings: i64,
    /// The address space, in bytes.
    pub(crate) size: i64,
    /// Resident bytes. A page counts once for each mapping that has it.
    pub(crate) resident: i64,
    /// Resident bytes that belong to this mapping only.
    pub(crate) private: i64,
    /// Bytes that no file has, such as written pages of a guest's memory.
    pub(crate) anonymous: i64,
}

/// The memory of a process at one moment, or its growth between two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessMemory {
    /// The totals by kind, which is the permissions and the name of the mapping.
    pub(crate) kinds: BTreeMap<String, MappingTotals>,
    /// The size of the page tables, in bytes. The resident set does not include them.
    pub(crate) page_tables: i64,
}

impl ProcessMemory {
    /// Reads the current memory of a process.
    pub(crate) fn of_process(pid: u32) -> anyhow::Result<Self> {
        let read = |file| {
            let file = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(&file).context(file)
        };
        let page_tables =
            parse_kib_field(&read("status")?, "VmPTE:").context("status has no VmPTE")?;
        Ok(Self { kinds: parse_smaps(&read("smaps")?), page_tables })
    }

    /// The sum of all kinds.
    pub(crate) fn total(&self) -> MappingTotals {
        self.kinds.values().fold(MappingTotals::default(), |sum, kind| sum.add_scaled(kind, 1))
    }

    /// The growth since an earlier reading.
    pub(crate) fn growth_since(mut self, earlier: &Self) -> Self {
        for (kind, totals) in &earlier.kinds {
            let now = self.kinds.entry(kind.clone()).or_default();
            *now = now.add_scaled(totals, -1);
        }
        self.page_tables -= earlier.page_tables;
        self
    }
}

impl MappingTotals {
    fn add_scaled(self, other: &Self, factor: i64) -> Self {
        Self {
            mappings: self.mappings + factor * other.mappings,
            size: self.size + factor * other.size,
            resident: self.resident + factor * other.resident,
            private: self.private + factor * other.private,
            anonymous: self.anonymous + factor * other.anonymous,
        }
    }
}

/// The resident set of a process, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<i64> {
    read_status_field(pid, "VmRSS:")
}

/// The peak of the resident set, in bytes, since the start of the process or since [`reset_peak`].
pub(crate) fn peak_resident_bytes(pid: u32) -> anyhow::Result<i64> {
    read_status_field(pid, "VmHWM:")
}

/// The anonymous memory of a process, in bytes.
pub(crate) fn anonymous_bytes(pid: u32) -> anyhow::Result<i64> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let rollup = std::fs::read_to_string(&file).context(file)?;
    parse_kib_field(&rollup, "Anonymous:").context("smaps_rollup has no Anonymous")
}

/// Resets the peak of the resident set.
pub(crate) fn reset_peak(pid: u32) -> anyhow::Result<()> {
    let file = format!("/proc/{pid}/clear_refs");
    // 5 resets only the peak.
    std::fs::write(&file, "5").context(file)
}

fn read_status_field(pid: u32, name: &str) -> anyhow::Result<i64> {
    let file = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&file).context(file)?;
    parse_kib_field(&status, name).with_context(|| format!("status has no {name}"))
}

/// Parses `/proc/PID/smaps`: a header line for each mapping, then one line for each value.
fn parse_smaps(smaps: &str) -> BTreeMap<String, MappingTotals> {
    let mut kinds = BTreeMap::<String, MappingTotals>::new();
    let mut current = None;
    for line in smaps.lines() {
        if let Some(kind) = mapping_kind(line) {
            let totals = kinds.entry(kind).or_default();
            totals.mappings += 1;
            current = Some(totals);
        } else if let Some(totals) = &mut current {
            totals.size += parse_kib_field(line, "Size:").unwrap_or(0);
            totals.resident += parse_kib_field(line, "Rss:").unwrap_or(0);
            totals.private += parse_kib_field(line, "Private_Clean:").unwrap_or(0);
            totals.private += parse_kib_field(line, "Private_Dirty:").unwrap_or(0);
            totals.anonymous += parse_kib_field(line, "Anonymous:").unwrap_or(0);
        }
    }
    kinds
}

/// The kind of the mapping with this header line, such as `55d0-55e0 rw-p 0 00:00 0 [heap]`.
fn mapping_kind(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    let (range, permissions) = (words.next()?, words.next()?);
    if range.ends_with(':') {
        return None;
    }
    let behind = words.skip(3).collect::<Vec<_>>().join(" ");
    let behind = match behind.as_str() {
        "" => "anonymous",
        file => file.rsplit('/').next().unwrap_or(file),
    };
    Some(format!("{permissions} {behind}"))
}

/// The value of the first line that begins with `name`, converted from KiB to bytes.
fn parse_kib_field(text: &str, name: &str) -> Option<i64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: i64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7f00-7f10 rw-p 00000000 00:00 0 
Size:                 64 kB
Rss:                   8 kB
Private_Clean:         0 kB
Private_Dirty:         8 kB
Anonymous:             8 kB
VmFlags: rd wr mr mw me ac sd
7f10-7f20 rw-p 00000000 00:01 7 /memfd:image (deleted)
Size:                 64 kB
Rss:                  12 kB
Private_Clean:         4 kB
Private_Dirty:         0 kB
7f20-7f30 rw-p 00000000 00:00 0 
Size:                 64 kB
Rss:                   4 kB
";

    #[test]
    fn mappings_are_counted_by_kind() {
        let kinds = parse_smaps(SMAPS);
        let anonymous = kinds["rw-p anonymous"];
        assert_eq!((anonymous.mappings, anonymous.resident), (2, 12 * 1024));
        assert_eq!(anonymous.anonymous, 8 * 1024);
        let image = kinds["rw-p memfd:image (deleted)"];
        assert_eq!((image.mappings, image.resident, image.private), (1, 12 * 1024, 4 * 1024));
    }

    #[test]
    fn growth_is_what_came_since() {
        let now = ProcessMemory { kinds: parse_smaps(SMAPS), page_tables: 8 };
        let grown = now.clone().growth_since(&ProcessMemory { kinds: now.kinds, page_tables: 3 });
        assert_eq!(grown.total(), MappingTotals::default());
        assert_eq!(grown.page_tables, 5);
    }
}
