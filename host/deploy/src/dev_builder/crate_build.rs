//! A guest crate and its last build.

use std::path::{Path, PathBuf};

use crate::packaging::{self, BuildCancellation, BuildError, BuiltPlugin, CompiledCrate, Sources};
use narrowboat_core::manifest;

/// A guest crate and its last build.
#[derive(Debug)]
pub(super) struct CrateBuild {
    /// The labels of its plugins.
    pub(super) plugin: String,
    pub(super) folder: PathBuf,
    pub(super) sources: Sources,
    /// The result of the last compilation; `None` if it failed.
    compiled: Option<CompiledCrate>,
    /// Whether the crate has ever been built.
    pub(super) has_component: bool,
    /// The part of the next build that a change has made necessary.
    pub(super) pending: Option<BuildStep>,
}

/// The part of a build that a change makes necessary. A later one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BuildStep {
    /// The compiled crate gets another manifest.
    Pack,
    /// The crate may have changed while it was not watched, so cargo checks it. It is reported only if it has changed.
    Verify,
    /// Cargo compiles the crate.
    Compile,
}

impl CrateBuild {
    pub(super) fn new(plugin: &str, folder: &Path) -> Self {
        Self {
            plugin: plugin.to_owned(),
            folder: folder.to_owned(),
            sources: Sources::default(),
            compiled: None,
            has_component: false,
            pending: Some(BuildStep::Compile),
        }
    }

    /// Whether the last compilation succeeded.
    pub(super) fn is_compiled(&self) -> bool {
        self.compiled.is_some()
    }

    /// Requires a step, in addition to those that are required already.
    pub(super) fn require(&mut self, step: BuildStep) {
        self.pending = self.pending.max(Some(step));
    }

    /// Takes the step that is required, if there is one. Only a compiled crate whose code does not read its manifest can
    /// be packed without a compilation.
    pub(super) fn take_step(&mut self) -> Option<BuildStep> {
        let can_pack = self.compiled.as_ref().is_some_and(|compiled| !compiled.reads_manifest());
        match self.pending.take()? {
            BuildStep::Pack if !can_pack => Some(BuildStep::Compile),
            step => Some(step),
        }
    }

    /// Requires the step that a changed file makes necessary.
    pub(super) fn note_change(&mut self, file: &Path) {
        let folder = self.folder.canonicalize();
        if folder.is_ok_and(|folder| folder.join(manifest::FILE_NAME) == file) {
            self.require(BuildStep::Pack);
        } else if self.sources.contains(file) {
            self.require(BuildStep::Compile);
        }
    }

    /// Carries out a step on a thread for blocking work.
    ///
    /// # Errors
    /// If the thread panicked.
    pub(super) async fn run(
        &mut self,
        step: BuildStep,
        cancellation: BuildCancellation,
    ) -> Result<Result<BuiltPlugin, BuildError>, tokio::task::JoinError> {
        let compiled = self.compiled.take().filter(|_| step == BuildStep::Pack);
        let folder = self.folder.clone();
        let build = move || match compiled {
            Some(compiled) => (compiled.pack(None), Some(compiled)),
            None => match CompiledCrate::compile(&folder, Some(&cancellation)) {
                Ok(compiled) => (compiled.pack(None), Some(compiled)),
                Err(error) => (Err(error), None),
            },
        };
        let (built, compiled) = tokio::task::spawn_blocking(build).await?;
        self.compiled = compiled;
        self.has_component |= built.is_ok();
        Ok(built)
    }
}

/// Returns the sources of a crate. If cargo cannot read the manifest, returns the crate's folder, so that the correction of
/// the manifest is noticed.
pub(super) fn find_sources_or_folder(folder: &Path) -> Sources {
    packaging::find_sources(folder).unwrap_or_else(|_| Sources::from_folder(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_step_includes_the_earlier_ones() {
        let mut krate = CrateBuild::new("chat", Path::new("chat"));
        krate.pending = None;
        for (required, expected) in [
            (BuildStep::Pack, BuildStep::Pack),
            (BuildStep::Compile, BuildStep::Compile),
            (BuildStep::Verify, BuildStep::Compile),
        ] {
            krate.require(required);
            assert_eq!(krate.pending, Some(expected));
        }
    }

    #[test]
    fn a_crate_that_is_not_compiled_is_compiled_instead_of_packed() {
        let mut krate = CrateBuild::new("chat", Path::new("chat"));
        krate.pending = Some(BuildStep::Pack);
        assert_eq!(krate.take_step(), Some(BuildStep::Compile));
        assert_eq!(krate.take_step(), None);
    }

    #[test]
    fn only_the_manifest_of_the_crate_itself_is_packed() {
        let folder = std::env::temp_dir().canonicalize().unwrap();
        let mut krate = CrateBuild::new("chat", &folder);
        krate.sources = Sources::from_folder(&folder);
        for (file, expected) in [
            (folder.join("plugin.toml"), Some(BuildStep::Pack)),
            (folder.join("member/plugin.toml"), Some(BuildStep::Compile)),
            (PathBuf::from("/elsewhere/plugin.toml"), None),
        ] {
            krate.pending = None;
            krate.note_change(&file);
            assert_eq!(krate.pending, expected, "{}", file.display());
        }
    }
}
