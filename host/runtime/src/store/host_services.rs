//! What the guests of a version can reach beyond the host.

use std::sync::Arc;

use tokio::sync::watch;

use narrowboat_core::capabilities::Capabilities;
use narrowboat_egress::Egress;
use narrowboat_keyvalue::KeyvalueStore;
use narrowboat_quota::QuotaChain;

/// What there is beyond the host, for the instances of a version.
pub(crate) struct HostServices {
    pub(crate) keyvalue: Arc<KeyvalueStore>,
    pub(crate) egress: Arc<Egress>,
    /// All that the version may.
    pub(crate) capabilities: Capabilities,
    /// How much its plugin may.
    pub(crate) quota: Arc<QuotaChain>,
    /// When nobody is to wait any more.
    pub(crate) stopping: watch::Receiver<bool>,
}
