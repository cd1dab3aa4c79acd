//! The decision on a deploy request before its component is loaded.

use super::deploy_source::DeploySource;
use crate::versions::VersionState;

/// The host's knowledge about the bytes of a request before it loads them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct KnownBytes {
    /// Whether they are the live version.
    pub(super) is_live: bool,
    /// Whether the plugin's component file held them when the host last read it. False without a version store.
    pub(super) is_known_source: bool,
    /// Whether they were rolled back for their faults.
    pub(super) was_rolled_back: bool,
    /// The state of the version in the version store, if it has a record.
    pub(super) state: Option<VersionState>,
}

/// How a request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeployDecision {
    /// Nothing to do: the version is live.
    AlreadyLive,
    /// Nothing to do: the component file holds what it held when another version was deployed.
    FileUnchanged,
    /// Refuse the version: it was rolled back before.
    RolledBackBefore,
    /// Load the component, and check it.
    Load,
}

/// Decides on a request. The order of the checks is policy, and the first that applies wins:
///
/// 1. The live version needs no deploy, whoever requests it.
/// 2. A component file that has not changed does not undo a later deploy. At the start of the host this holds for all
///    bytes. While the host runs, a file that is written again is a new attempt if its version was never live, because it
///    was refused or waits for an approval; and step 3 refuses it if it was rolled back.
/// 3. A version that was rolled back is refused, unless the request names it deliberately: `--force`, a rollback or an
///    approval.
pub(super) fn decide(source: &DeploySource, known: KnownBytes) -> DeployDecision {
    let is_rolled_back = known.was_rolled_back && !source.is_explicit();
    if known.is_live {
        DeployDecision::AlreadyLive
    } else if is_file_unchanged(source, known) && !may_retry(source, known, is_rolled_back) {
        DeployDecision::FileUnchanged
    } else if is_rolled_back {
        DeployDecision::RolledBackBefore
    } else {
        DeployDecision::Load
    }
}

fn is_file_unchanged(source: &DeploySource, known: KnownBytes) -> bool {
    source.is_from_file() && known.is_known_source
}

/// Whether a file that was written again with the same bytes is judged once more.
fn may_retry(source: &DeploySource, known: KnownBytes, is_rolled_back: bool) -> bool {
    let was_never_live = known
        .state
        .is_some_and(|state| state == VersionState::Refused || state.is_awaiting_approval());
    matches!(source, DeploySource::ChangedFile(_)) && (was_never_live || is_rolled_back)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup() -> DeploySource {
        DeploySource::StartupFile("chat.wasm".into())
    }

    fn changed() -> DeploySource {
        DeploySource::ChangedFile("chat.wasm".into())
    }

    fn upload(force: bool) -> DeploySource {
        DeploySource::Deploy { by: "ci".to_owned(), force }
    }

    const SEEN: KnownBytes =
        KnownBytes { is_live: false, is_known_source: true, was_rolled_back: false, state: None };

    #[test]
    fn unknown_bytes_are_loaded() {
        for source in [startup(), changed(), upload(false), upload(true)] {
            assert_eq!(decide(&source, KnownBytes::default()), DeployDecision::Load);
        }
    }

    #[test]
    fn the_live_version_is_not_deployed_again_whatever_else_is_known() {
        let known = KnownBytes { is_live: true, was_rolled_back: true, ..SEEN };
        for source in [startup(), changed(), upload(false), upload(true)] {
            assert_eq!(decide(&source, known), DeployDecision::AlreadyLive);
        }
    }

    #[test]
    fn an_unchanged_file_does_not_undo_a_deploy() {
        let known = KnownBytes { state: Some(VersionState::Previous), ..SEEN };
        for source in [startup(), changed()] {
            assert_eq!(decide(&source, known), DeployDecision::FileUnchanged);
        }
        assert_eq!(decide(&upload(false), known), DeployDecision::Load);
    }

    #[test]
    fn a_file_that_is_written_again_is_a_new_attempt_if_its_version_was_never_live() {
        for state in [VersionState::Refused, VersionState::Pending, VersionState::Superseded] {
            let known = KnownBytes { state: Some(state), ..SEEN };
            assert_eq!(decide(&changed(), known), DeployDecision::Load);
            assert_eq!(decide(&startup(), known), DeployDecision::FileUnchanged);
        }
    }

    #[test]
    fn a_version_that_was_rolled_back_needs_an_explicit_request() {
        let state = Some(VersionState::RolledBack);
        let known = KnownBytes { was_rolled_back: true, state, ..SEEN };
        assert_eq!(decide(&startup(), known), DeployDecision::FileUnchanged);
        for source in [changed(), upload(false)] {
            assert_eq!(decide(&source, known), DeployDecision::RolledBackBefore);
        }
        let rollback = DeploySource::Rollback { by: "ci".to_owned() };
        for source in [upload(true), rollback] {
            assert_eq!(decide(&source, known), DeployDecision::Load);
        }
    }
}
