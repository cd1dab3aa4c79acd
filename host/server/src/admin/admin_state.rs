//! The state that the handlers of the admin API share.

use std::sync::Arc;

use super::concurrency::ConcurrencyLimit;
use crate::background_writer::BackgroundWriter;
use crate::log_buffer::LogBuffer;
use crate::server::Server;

/// The state that the handlers of the admin API share.
pub(super) struct AdminState {
    pub(super) server: Arc<Server>,
    /// The host names, besides addresses and `localhost`, that requests may use.
    pub(super) hosts: Vec<String>,
    /// The largest component that may be uploaded, in bytes.
    pub(super) max_upload: usize,
    /// Bounds deploys, each with its upload.
    pub(super) upload_limit: Arc<ConcurrencyLimit>,
    /// Bounds rollbacks and approvals, which a slow upload must not hold up.
    pub(super) rollback_limit: Arc<ConcurrencyLimit>,
    pub(super) follower_limit: Arc<ConcurrencyLimit>,
    pub(super) log_buffer: LogBuffer,
    /// The writers of standard output and standard error.
    pub(super) output_writers: Vec<BackgroundWriter>,
}
