//! Versions of the guest `traveller`, made from one build by overwriting the plan in its code.

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

/// The prefix of the plan in the component's code.
const PLAN_MARKER: &[u8] = b"narrowboat traveller plan:";

/// The length of the plan with its prefix, in bytes, as in the guest.
const PLAN_BYTES: usize = 128;

/// The kind of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum VersionKind {
    /// A version without faults.
    Good,
    /// The first half of a component.
    Damaged,
    /// A version that cannot load the module's state.
    FailsLoad,
    /// A version that cannot restore any consumer.
    FailsRestore,
    /// A version that cannot restore about one in fifty consumers.
    FailsSome,
    /// A version that traps at the hundredth event of an instance.
    Traps,
}

/// Makes versions from one build.
pub(crate) struct VersionBuilder {
    component: Vec<u8>,
    /// The offset of the plan.
    plan_offset: usize,
    version_count: u32,
}

/// A version: its name and its component.
pub(crate) struct TestVersion {
    /// The name of the version, which its consumers report.
    pub(crate) name: String,
    /// The component.
    pub(crate) bytes: Vec<u8>,
}

impl VersionBuilder {
    /// Creates a builder from the component `traveller`.
    pub(crate) fn new(component: Vec<u8>) -> anyhow::Result<Self> {
        let plan = component.windows(PLAN_MARKER.len()).position(|bytes| bytes == PLAN_MARKER);
        let plan = plan.context("is not the guest traveller: it has no plan")?;
        ensure!(component.len() >= plan + PLAN_BYTES, "is cut off");
        Ok(Self { component, plan_offset: plan, version_count: 0 })
    }

    /// Makes the next version. Its bytes differ from those of all earlier versions.
    pub(crate) fn build(&mut self, kind: VersionKind) -> TestVersion {
        self.version_count += 1;
        // The name is not `v1`, which is the name of the build itself.
        let name = format!("made{}", self.version_count);
        let fate = match kind {
            VersionKind::Good | VersionKind::Damaged => "",
            VersionKind::FailsLoad => "load-fails",
            VersionKind::FailsRestore => "restore-fails",
            VersionKind::FailsSome => "unread-every=50",
            VersionKind::Traps => "traps-at-own=100",
        };
        let words = format!("{name} {fate}");
        let mut bytes = self.component.clone();
        let plan = &mut bytes[self.plan_offset..self.plan_offset + PLAN_BYTES];
        plan.fill(b' ');
        plan[..PLAN_MARKER.len()].copy_from_slice(PLAN_MARKER);
        plan[PLAN_MARKER.len()..PLAN_MARKER.len() + words.len()].copy_from_slice(words.as_bytes());
        if kind == VersionKind::Damaged {
            bytes.truncate(bytes.len() / 2);
        }
        TestVersion { name, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_differs_in_its_plan_alone() {
        let mut build = b"before narrowboat traveller plan:v1".to_vec();
        build.resize(7 + PLAN_BYTES, b' ');
        build.extend_from_slice(b"after");
        let mut maker = VersionBuilder::new(build.clone()).unwrap();
        maker.build(VersionKind::Good);
        let made = maker.build(VersionKind::Traps);
        assert_eq!(made.name, "made2");
        assert_eq!(made.bytes.len(), build.len());
        assert!(
            made.bytes.starts_with(b"before narrowboat traveller plan:made2 traps-at-own=100  ")
        );
        assert!(made.bytes.ends_with(b" after"));
        assert_eq!(maker.build(VersionKind::Damaged).bytes.len(), build.len() / 2);
    }

    #[test]
    fn what_has_no_plan_is_refused() {
        assert!(VersionBuilder::new(b"another".to_vec()).is_err());
    }
}
