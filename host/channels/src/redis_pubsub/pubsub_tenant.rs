//! One tenant of the publish/subscribe layer.

use std::sync::Arc;

use super::topic_names::TopicNames;
use crate::process_channels::ProcessChannels;

/// One tenant's topics and channels.
pub(super) struct PubSubTenant {
    pub(super) topic_names: TopicNames,
    pub(super) local: Arc<ProcessChannels>,
}
