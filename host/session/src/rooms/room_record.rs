//! The record of a room in the key-value store.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::visitor_record::VisitorRecord;
use narrowboat_runtime::Sha256Digest;

/// The number that a record begins with. A host refuses records with another number.
const FORMAT: u32 = 1;

/// The most versions before that of the state that a record names.
const MAX_OLDER_VERSIONS: usize = 8;

/// The state of a room, and the version that saved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedRoomState {
    pub(crate) version: Sha256Digest,
    /// The number that the version gives to the format of `state`.
    pub(crate) schema: u32,
    /// `None` if the module had no state.
    pub(crate) state: Option<Vec<u8>>,
}

/// The record of a room that sleeps, or that has a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomRecord {
    /// The number of the owner that wrote the record. 0 where leases do not end.
    pub(crate) token: u64,
    pub(crate) saved_at: SystemTime,
    pub(crate) current: SavedRoomState,
    /// The visitors of the room then. Empty if the room was saved to sleep.
    pub(crate) visitors: Vec<VisitorRecord>,
    /// The state that an earlier version saved last. It is kept while the version of `current` may be rolled back.
    pub(crate) previous: Option<SavedRoomState>,
    /// Versions that are older than that of `current`, the oldest first. They never get its state.
    pub(crate) older: Vec<Sha256Digest>,
}

/// The first line of a record. The states follow it.
#[derive(Serialize, Deserialize)]
struct RecordHead {
    format: u32,
    /// Directly behind the format: the store compares it with the numbers of leases.
    #[serde(default, skip_serializing_if = "is_no_token")]
    token: u64,
    saved_at_ms: u64,
    current: StateHead,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<StateHead>,
    /// The length of the visitors, which are MessagePack behind the states.
    #[serde(default, skip_serializing_if = "is_zero")]
    visitors_len: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    older: Vec<Sha256Digest>,
}

#[derive(Serialize, Deserialize)]
struct StateHead {
    version: Sha256Digest,
    schema: u32,
    /// Absent if there is no state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    len: Option<usize>,
}

impl SavedRoomState {
    fn head(&self) -> StateHead {
        let len = self.state.as_ref().map(Vec::len);
        StateHead { version: self.version, schema: self.schema, len }
    }

    /// The length of the state in bytes.
    pub(crate) fn state_len(&self) -> usize {
        self.state.as_ref().map_or(0, Vec::len)
    }
}

impl StateHead {
    /// Takes the state from the beginning of `rest`.
    fn take_state(self, rest: &mut &[u8]) -> Option<SavedRoomState> {
        let (state, tail) = rest.split_at_checked(self.len.unwrap_or(0))?;
        *rest = tail;
        let state = self.len.map(|_| state.to_vec());
        Some(SavedRoomState { version: self.version, schema: self.schema, state })
    }
}

impl RoomRecord {
    /// The record as a version may get it: with the newest state, or with the one before if the newest is of a newer version.
    /// `None` if there is only state of newer versions. `ran_before` has the versions that the plugin ran before `version`.
    pub(crate) fn for_version(
        self,
        version: Sha256Digest,
        ran_before: &[Sha256Digest],
    ) -> Option<Self> {
        let Some(position) = self.position_before(version, ran_before) else { return Some(self) };
        let before = &self.older[..position];
        let may_get = |saved: &SavedRoomState| {
            let by = saved.version;
            by == version || before.contains(&by) || ran_before.contains(&by)
        };
        let current = self.previous.filter(may_get)?;
        let older = before.iter().copied().filter(|older| *older != current.version).collect();
        Some(Self { current, visitors: Vec::new(), previous: None, older, ..self })
    }

    /// The place of `version` among the older ones, if the record has the state of a newer version.
    fn position_before(&self, version: Sha256Digest, ran_before: &[Sha256Digest]) -> Option<usize> {
        let position = self.older.iter().position(|older| *older == version)?;
        // A version that was deployed again is newer than those since.
        (!ran_before.contains(&self.current.version)).then_some(position)
    }

    /// The state that the next record keeps of a version before `version`; none of a newer version.
    pub(crate) fn state_before(
        &self,
        version: Sha256Digest,
        ran_before: &[Sha256Digest],
    ) -> Option<&SavedRoomState> {
        if self.current.version == version {
            self.previous.as_ref()
        } else {
            let is_newer = self.position_before(version, ran_before).is_some();
            (!is_newer).then_some(&self.current)
        }
    }

    /// The versions that are older than `version`, for the next record: those of this record, its own version, and
    /// those that the plugin ran before. After a rollback only those before it.
    pub(crate) fn older_than(
        &self,
        version: Sha256Digest,
        ran_before: &[Sha256Digest],
    ) -> Vec<Sha256Digest> {
        let (older, own) = match self.position_before(version, ran_before) {
            Some(position) => (&self.older[..position], None),
            None => (&self.older[..], Some(self.current.version)),
        };
        let known = older.iter().copied().chain(own);
        merge_older(version, known.chain(ran_before.iter().copied()))
    }

    /// The bytes for the store.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let since_epoch = self.saved_at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Neither a record nor a visitor has a map with keys other than strings, so both can be written.
        let visitors = match self.visitors.is_empty() {
            true => Vec::new(),
            false => rmp_serde::to_vec_named(&self.visitors).unwrap_or_default(),
        };
        let head = RecordHead {
            format: FORMAT,
            token: self.token,
            saved_at_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
            current: self.current.head(),
            previous: self.previous.as_ref().map(SavedRoomState::head),
            visitors_len: visitors.len(),
            older: self.older.clone(),
        };
        let mut bytes = serde_json::to_vec(&head).unwrap_or_default();
        bytes.push(b'\n');
        let saved = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        bytes.extend(saved.filter_map(|saved| saved.state.as_ref()).flatten());
        bytes.extend(visitors);
        bytes
    }

    /// Reads what [`RoomRecord::encode`] wrote. `None` if the bytes are damaged, or a newer host wrote them.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head: RecordHead = serde_json::from_slice(&bytes[..end]).ok()?;
        let mut rest = &bytes[end + 1..];
        if head.format != FORMAT {
            return None;
        }
        let current = head.current.take_state(&mut rest)?;
        let previous = match head.previous {
            Some(previous) => Some(previous.take_state(&mut rest)?),
            None => None,
        };
        let visitors = match (head.visitors_len, rest.len()) {
            (0, 0) => Vec::new(),
            (len, rest_len) if len == rest_len => rmp_serde::from_slice(rest).ok()?,
            _ => return None,
        };
        let saved_at =
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(head.saved_at_ms))?;
        let RecordHead { token, older, .. } = head;
        Some(Self { token, saved_at, current, visitors, previous, older })
    }
}

fn is_no_token(token: &u64) -> bool {
    *token == 0
}

fn is_zero(len: &usize) -> bool {
    *len == 0
}

/// The last of several versions, without `version`. Of a version that is there twice the last place counts.
pub(super) fn merge_older(
    version: Sha256Digest,
    versions: impl Iterator<Item = Sha256Digest>,
) -> Vec<Sha256Digest> {
    let mut merged = Vec::new();
    for older in versions.filter(|older| *older != version) {
        merged.retain(|known| *known != older);
        merged.push(older);
    }
    merged.drain(..merged.len().saturating_sub(MAX_OLDER_VERSIONS));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(name: &str) -> Sha256Digest {
        Sha256Digest::of(name.as_bytes())
    }

    fn state(name: &str) -> SavedRoomState {
        SavedRoomState {
            version: version(name),
            schema: 3,
            state: Some(format!("state of {name}\n").into_bytes()),
        }
    }

    fn record() -> RoomRecord {
        RoomRecord {
            token: 0,
            saved_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            current: state("b"),
            visitors: Vec::new(),
            previous: Some(state("a")),
            older: vec![version("0"), version("a")],
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let without = RoomRecord { previous: None, older: Vec::new(), ..record() };
        let empty = SavedRoomState { state: None, ..state("b") };
        let cleared = RoomRecord { current: empty, ..record() };
        for record in [record(), without, cleared] {
            assert_eq!(RoomRecord::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn the_store_finds_the_number_of_the_owner_at_the_beginning_of_a_record() {
        let record = RoomRecord { token: 1_764_547_200_000_000, ..record() };
        let bytes = record.encode();
        assert!(bytes.starts_with(b"{\"format\":1,\"token\":1764547200000000,"));
        assert_eq!(RoomRecord::decode(&bytes), Some(record));
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let bytes = record().encode();
        for len in 0..bytes.len() {
            assert_eq!(RoomRecord::decode(&bytes[..len]), None, "{len} bytes");
        }
        assert_eq!(RoomRecord::decode(&[&bytes[..], b"x"].concat()), None);
    }

    #[test]
    fn an_older_version_never_gets_the_state_of_a_newer_one() {
        let got = |name: &str, ran_before: &[Sha256Digest]| {
            record().for_version(version(name), ran_before).map(|record| record.current)
        };
        assert_eq!(got("b", &[version("a")]), Some(state("b")));
        assert_eq!(got("c", &[version("b")]), Some(state("b")));
        assert_eq!(got("a", &[version("0")]), Some(state("a")));
        assert_eq!(got("0", &[]), None);
    }

    #[test]
    fn a_version_that_was_deployed_again_is_newer_than_those_since() {
        let got = record().for_version(version("a"), &[version("b")]).unwrap();
        assert_eq!(got.current, state("b"));
        assert_eq!(got.older_than(version("a"), &[version("b")]), ["0", "b"].map(version));
    }

    #[test]
    fn a_room_that_went_back_knows_only_versions_before_its_own() {
        let got = record().for_version(version("a"), &[version("0")]).unwrap();
        assert_eq!((got.older, got.previous), (vec![version("0")], None));
    }

    #[test]
    fn the_versions_before_are_those_of_the_room_and_of_the_plugin() {
        let older = record().older_than(version("c"), &[version("b"), version("x")]);
        assert_eq!(older, ["0", "a", "b", "x"].map(version));
        let back = record().older_than(version("a"), &[version("0")]);
        assert_eq!(back, [version("0")]);
        assert_eq!(record().state_before(version("a"), &[version("0")]), None);
    }

    #[test]
    fn however_often_a_room_is_saved_it_knows_the_versions_directly_before() {
        let before: Vec<_> = (0..20).map(|number| version(&number.to_string())).collect();
        let mut record = RoomRecord { current: state("live"), ..record() };
        for _ in 0..20 {
            record.older = record.older_than(version("live"), &before);
            assert_eq!(record.older, before[20 - MAX_OLDER_VERSIONS..]);
        }
    }

    #[test]
    fn a_version_gets_the_state_of_a_version_before_it() {
        let record =
            RoomRecord { current: state("c"), older: ["a", "b"].map(version).to_vec(), ..record() };
        let got = record.for_version(version("b"), &[version("a")]).unwrap();
        assert_eq!((got.current, got.older), (state("a"), Vec::new()));
    }
}
