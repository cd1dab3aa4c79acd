//! A plugin that gets the versions of a file or folder.

use std::sync::Arc;

use super::plugin_identity::PluginIdentity;
use super::saved_build::SavedBuild;
use super::served_plugin::ServedPlugin;
use narrowboat_deploy::rollout::Rollout;
use narrowboat_runtime::Build;

/// A plugin that gets the versions of a file or folder.
pub(crate) struct FollowedPlugin {
    pub(crate) rollout: Arc<Rollout>,
    /// The identity that it was loaded with; `None` if another one does not load it again.
    identity: Option<PluginIdentity>,
    /// The version that the editor of the demo page deploys by itself.
    pub(crate) saved_build: Arc<SavedBuild>,
}

impl FollowedPlugin {
    /// Whether the plugin has to be loaded again to get a version.
    pub(crate) fn needs_reload(&self, build: &Build) -> bool {
        let Some(identity) = &self.identity else { return false };
        PluginIdentity::of_build(build).is_some_and(|wanted| wanted != *identity)
    }
}

impl From<&ServedPlugin> for FollowedPlugin {
    fn from(served: &ServedPlugin) -> Self {
        let identity = served.spec.component_source.identity().cloned();
        let saved_build = Arc::clone(&served.saved_build);
        Self { rollout: Arc::clone(&served.rollout), identity, saved_build }
    }
}
