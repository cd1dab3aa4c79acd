//! The resources that all tenants of a host share.

use std::sync::Arc;

use crate::demo::EditorResources;
use crate::host_mode::HostMode;
use narrowboat_config::Limits;
use narrowboat_config::signature::TrustedKeys;
use narrowboat_deploy::versions::VersionStore;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaNode;
use narrowboat_runtime::{Engine, GuestThreadPool, LanguageRuntimes};
use narrowboat_schedule::ScheduleServices;
use narrowboat_session::RoomOwners;

/// The resources that all tenants of a host share.
pub(crate) struct HostResources {
    pub(crate) mode: HostMode,
    pub(crate) engine: Engine,
    /// The runtimes of source plugins.
    pub(crate) runtimes: Arc<LanguageRuntimes>,
    pub(crate) guest_threads: GuestThreadPool,
    /// The limits that the host started with.
    pub(crate) limits: Limits,
    /// The store of versions. It is locked while it is open, so that no other host uses it.
    pub(crate) version_store: Option<VersionStore>,
    /// Whether the demo page is served.
    pub(crate) has_demo_page: bool,
    /// The parts of the demo page's editor that outlive reloads; `None` if the page has no editor.
    pub(crate) editor: Option<Arc<EditorResources>>,
    /// The keys that components must be signed with; `None` if signatures are not required.
    pub(crate) signers: Option<Arc<TrustedKeys>>,
    /// The key-value store of plugins.
    pub(crate) keyvalue: Arc<KeyvalueStore>,
    /// The owners of rooms.
    pub(crate) room_owners: Arc<RoomOwners>,
    /// The wall clock, and the records of schedules.
    pub(crate) schedules: ScheduleServices,
    /// The HTTP client for requests of plugins.
    pub(crate) egress: Arc<Egress>,
    /// The quota of the host, which all tenants share.
    pub(crate) host_quota: Arc<QuotaNode>,
}
