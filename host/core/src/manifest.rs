//! The manifest of a plugin, `plugin.toml`. It is a section of the component, or a file of the source bundle.

mod entry_point;
mod hibernation;
mod language;
mod manifest_error;
mod room_settings;
mod source_settings;
mod trap_policy;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::room_template::RoomTemplate;
use crate::units::{ByteSize, DurationSetting};
pub use entry_point::{EntryPoint, InvalidEntryPoint};
use hibernation::RawHibernation;
pub use language::Language;
pub use manifest_error::ManifestError;
use room_settings::RawRoomSettings;
pub use room_settings::{RoomSave, RoomSettings};
pub use source_settings::SourceSettings;
pub use trap_policy::{CheckpointRule, TrapPolicy};
use trap_policy::{RawTrapPolicy, RawTrapSettings};

/// The name of the file that has the manifest, in the folder of a plugin and in a source bundle.
pub const FILE_NAME: &str = "plugin.toml";

/// The name of the custom section of a component that has the text of the manifest.
pub const CUSTOM_SECTION_NAME: &str = "narrowboat:manifest";

/// The manifest of a plugin. The configuration of the operator can only restrict it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The name of the plugin. The configuration may use another one.
    pub name: String,
    /// A description in one line.
    pub description: String,
    /// How the source of the plugin runs; `None` for a component.
    pub source: Option<SourceSettings>,
    /// Whether consumers share an instance.
    pub isolation: Isolation,
    /// The settings of rooms. `Some` if, and only if, the isolation is [`Isolation::Room`].
    pub rooms: Option<RoomSettings>,
    /// What happens to the consumers of an instance that traps or times out.
    pub on_trap: TrapPolicy,
    /// The time without events after which a connection gives its instance back; `None` if it keeps it.
    pub hibernate_after: Option<Duration>,
    /// The threads that run calls.
    pub execution: ExecutionMode,
    /// Whether the host tells consumers that the configuration of the plugin has changed.
    pub config_changed: bool,
    /// Limits that are lower than those of the host.
    pub limits: RequestedLimits,
    /// The requested capabilities.
    pub capabilities: Capabilities,
}

/// The keys of `plugin.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    name: String,
    #[serde(default)]
    description: String,
    runtime: Option<Language>,
    consumer: Option<EntryPoint>,
    worker: Option<EntryPoint>,
    isolation: Option<Isolation>,
    room: Option<RoomTemplate>,
    room_idle: Option<DurationSetting>,
    room_save: Option<RoomSave>,
    on_trap: Option<RawTrapPolicy>,
    checkpoint_every: Option<CheckpointRule>,
    #[serde(default)]
    hibernate: bool,
    hibernate_after: Option<DurationSetting>,
    #[serde(default)]
    execution: ExecutionMode,
    #[serde(default)]
    config_changed: bool,
    #[serde(default)]
    limits: RequestedLimits,
    #[serde(default)]
    capabilities: Capabilities,
}

/// Whether consumers share an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Each connection has its own instance, so a trap, loop or leak affects one client only.
    #[default]
    Connection,
    /// One instance has many consumers, which share its state as in a Django process.
    Shared,
    /// Each room has an instance, which the consumers of its visitors share. Its state outlives the instance.
    Room,
}

impl Isolation {
    /// The isolation of a manifest that does not set it. A source plugin shares an instance, because loading its source
    /// takes longer than starting a component, and because its module state is shared as in a Django process.
    fn default_for(source: Option<&SourceSettings>) -> Self {
        if source.is_some() { Self::Shared } else { Self::Connection }
    }

    /// The value of the key `isolation`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Shared => "shared",
            Self::Room => "room",
        }
    }
}

/// The threads that run the calls of a plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecutionMode {
    /// The task of the connection while calls are short, guest threads after a long call.
    #[default]
    Auto,
    /// Always guest threads.
    Thread,
}

/// The limits that a plugin sets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedLimits {
    /// The linear memory of one instance.
    pub memory: Option<ByteSize>,
    /// The running time of one event of a connection.
    pub call_time: Option<DurationSetting>,
    /// The running time of a worker for one message.
    pub worker_time: Option<DurationSetting>,
}

impl Manifest {
    /// Parses the text of a `plugin.toml`, of a component or of a source bundle.
    ///
    /// # Errors
    /// The problem with its line and column, and the expected value.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let text = std::str::from_utf8(text).map_err(|_| ManifestError::NotUtf8)?;
        let raw: RawManifest = toml::from_str(text)
            .map_err(|error| ManifestError::Syntax(error.to_string().trim_end().to_owned()))?;
        raw.check()
    }

    /// Parses the manifest of a component, which has no runtime.
    ///
    /// # Errors
    /// As [`Manifest::parse`], and [`ManifestError::RuntimeOfComponent`].
    pub fn parse_of_component(text: &[u8]) -> Result<Self, ManifestError> {
        let manifest = Self::parse(text)?;
        if manifest.source.is_some() {
            Err(ManifestError::RuntimeOfComponent)
        } else {
            Ok(manifest)
        }
    }

    /// Parses the manifest of a source bundle, which has a runtime.
    ///
    /// # Errors
    /// As [`Manifest::parse`], and [`ManifestError::NoRuntime`].
    pub fn parse_of_bundle(text: &[u8]) -> Result<Self, ManifestError> {
        let manifest = Self::parse(text)?;
        if manifest.source.is_none() { Err(ManifestError::NoRuntime) } else { Ok(manifest) }
    }
}

impl RawManifest {
    fn check(self) -> Result<Manifest, ManifestError> {
        if !is_valid_plugin_name(&self.name) {
            return Err(ManifestError::InvalidName(self.name));
        }
        self.limits.check()?;
        let source = match (self.runtime, self.consumer, self.worker) {
            (Some(runtime), consumer, worker) => Some(SourceSettings { runtime, consumer, worker }),
            (None, Some(_), _) => return Err(ManifestError::EntryWithoutRuntime("consumer")),
            (None, None, Some(_)) => return Err(ManifestError::EntryWithoutRuntime("worker")),
            (None, None, None) => None,
        };
        let isolation = self.isolation.unwrap_or_else(|| Isolation::default_for(source.as_ref()));
        let rooms = RawRoomSettings {
            room: self.room,
            room_idle: self.room_idle,
            room_save: self.room_save,
        };
        let rooms = match isolation {
            Isolation::Room => Some(rooms.check()?),
            Isolation::Connection | Isolation::Shared => rooms.check_absent().map(|()| None)?,
        };
        let traps =
            RawTrapSettings { on_trap: self.on_trap, checkpoint_every: self.checkpoint_every };
        let hibernation =
            RawHibernation { hibernate: self.hibernate, hibernate_after: self.hibernate_after };
        Ok(Manifest {
            on_trap: traps.check()?,
            hibernate_after: hibernation.check(isolation == Isolation::Connection)?,
            name: self.name,
            description: self.description,
            isolation,
            rooms,
            source,
            execution: self.execution,
            config_changed: self.config_changed,
            limits: self.limits,
            capabilities: self.capabilities,
        })
    }
}

impl RequestedLimits {
    fn check(&self) -> Result<(), ManifestError> {
        if self.memory.is_some_and(|memory| memory.bytes() == 0) {
            return Err(ManifestError::ZeroLimit("memory"));
        }
        if self.call_time.is_some_and(|time| time.duration() == Duration::ZERO) {
            return Err(ManifestError::ZeroLimit("call_time"));
        }
        if self.worker_time.is_some_and(|time| time.duration() == Duration::ZERO) {
            return Err(ManifestError::ZeroLimit("worker_time"));
        }
        Ok(())
    }
}

/// Whether a text is a valid name of a plugin, which appears in logs, file names and routes.
pub fn is_valid_plugin_name(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_is_required() {
        let manifest = Manifest::parse(b"name = \"echo\"").unwrap();
        assert_eq!(manifest.isolation, Isolation::Connection);
        assert_eq!(manifest.execution, ExecutionMode::Auto);
    }

    #[test]
    fn requested_capabilities_are_described() {
        let text =
            b"name = \"echo\"\n[capabilities]\ngroups = [\"room.*\"]\nchannels = [\"jobs\"]\nlog = true";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(
            manifest.capabilities.descriptions(),
            ["groups \"room.*\"", "channels \"jobs\"", "log"]
        );
        assert!(Manifest::parse(b"name = \"echo\"").unwrap().capabilities.is_empty());
    }

    #[test]
    fn an_invalid_capability_is_reported_with_its_line() {
        for (line, expected) in
            [("groups = [\"a b\"]", "not a pattern"), ("clock = true", "`clocks`")]
        {
            let text = format!("name = \"echo\"\n[capabilities]\n{line}");
            let text = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(text.contains("line 3") && text.contains(expected), "{text}");
        }
    }

    #[test]
    fn an_unknown_key_is_reported_with_its_line() {
        let error = Manifest::parse(b"name = \"echo\"\nisolaton = \"shared\"").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("line 2") && text.contains("isolaton"), "{text}");
        assert!(text.contains("isolation"), "{text}");
    }

    #[test]
    fn a_runtime_has_entry_points_and_a_shared_instance() {
        let text = b"name = \"chat\"\nruntime = \"python\"\nconsumer = \"app.chat:ChatConsumer\"";
        let manifest = Manifest::parse_of_bundle(text).unwrap();
        let source = manifest.source.unwrap();
        assert_eq!((source.runtime, source.worker), (Language::Python, None));
        assert_eq!(source.consumer.unwrap().to_string(), "app.chat:ChatConsumer");
        assert_eq!(manifest.isolation, Isolation::Shared);
    }

    #[test]
    fn a_runtime_may_have_an_instance_for_each_connection() {
        let text = b"name = \"chat\"\nruntime = \"python\"\nisolation = \"connection\"";
        assert_eq!(Manifest::parse(text).unwrap().isolation, Isolation::Connection);
    }

    #[test]
    fn rooms_have_a_template_and_defaults() {
        let text = b"name = \"chat\"\nisolation = \"room\"\nroom = \"{room}\"";
        let rooms = Manifest::parse(text).unwrap().rooms.unwrap();
        assert_eq!(rooms.template.as_str(), "{room}");
        assert_eq!((rooms.idle, rooms.save), (Duration::from_secs(30), RoomSave::Idle));
    }

    #[test]
    fn the_state_of_a_room_is_saved_in_an_interval() {
        let text = "name = \"chat\"\nisolation = \"room\"\nroom = \"{room}\"\nroom_idle = \"1m\"\nroom_save = ";
        let save = |value: &str| Manifest::parse(format!("{text}{value:?}").as_bytes());
        let rooms = save("5s").unwrap().rooms.unwrap();
        assert_eq!(
            (rooms.idle, rooms.save),
            (Duration::from_mins(1), RoomSave::Interval(Duration::from_secs(5)))
        );
        for value in ["always", "10ms"] {
            let text = save(value).unwrap_err().to_string();
            assert!(text.contains("line 5") && text.contains("\"5s\""), "{text}");
        }
    }

    #[test]
    fn rooms_need_their_isolation_and_a_template() {
        let error = |text: &str| {
            Manifest::parse(format!("name = \"chat\"\n{text}").as_bytes()).unwrap_err()
        };
        assert_eq!(error("isolation = \"room\""), ManifestError::NoRoomTemplate);
        assert_eq!(error("room = \"{room}\""), ManifestError::RoomKeyWithoutRooms("room"));
        assert_eq!(error("room_idle = \"1s\""), ManifestError::RoomKeyWithoutRooms("room_idle"));
        let text = error("isolation = \"room\"\nroom = \"lobby\"").to_string();
        assert!(text.contains("line 3") && text.contains("{room}"), "{text}");
    }

    #[test]
    fn an_unknown_runtime_is_reported_with_the_known_ones() {
        let text = Manifest::parse(b"name = \"chat\"\nruntime = \"ruby\"").unwrap_err().to_string();
        assert!(text.contains("line 2") && text.contains("`python`"), "{text}");
    }

    #[test]
    fn an_entry_point_needs_a_runtime() {
        for key in ["consumer", "worker"] {
            let text = format!("name = \"chat\"\n{key} = \"chat:Chat\"");
            let error = Manifest::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, ManifestError::EntryWithoutRuntime(key));
        }
    }

    #[test]
    fn an_invalid_entry_point_is_reported_with_its_line() {
        let text = b"name = \"chat\"\nruntime = \"python\"\nworker = \"chat\"";
        let text = Manifest::parse(text).unwrap_err().to_string();
        assert!(text.contains("line 3") && text.contains("module:Class"), "{text}");
    }

    #[test]
    fn only_a_bundle_has_a_runtime() {
        let with = b"name = \"chat\"\nruntime = \"python\"";
        let without = b"name = \"chat\"";
        assert_eq!(Manifest::parse_of_component(with), Err(ManifestError::RuntimeOfComponent));
        assert_eq!(Manifest::parse_of_bundle(without), Err(ManifestError::NoRuntime));
        assert!(Manifest::parse_of_component(without).is_ok());
    }

    #[test]
    fn names_with_path_separators_and_other_characters_are_refused() {
        for name in ["", "../echo", "Echo", "a b", "é"] {
            let text = format!("name = {name:?}");
            assert!(matches!(Manifest::parse(text.as_bytes()), Err(ManifestError::InvalidName(_))));
        }
    }
}
