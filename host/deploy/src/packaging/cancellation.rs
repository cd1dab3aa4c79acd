//! Ending a build before its time.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Ends builds from another thread: the one that runs under it, and whatever would follow.
#[derive(Debug, Clone, Default)]
pub struct BuildCancellation(Arc<Mutex<BuildState>>);

#[derive(Debug, Default, PartialEq, Eq)]
enum BuildState {
    #[default]
    Idle,
    /// Cargo leads a process group of its own, so that it goes with the compilers it started.
    Running(Pid),
    Cancelled,
}

impl BuildCancellation {
    /// Ends the build that runs, compilers included, and has none begin any more.
    pub fn cancel(&self) {
        if let BuildState::Running(cargo) =
            std::mem::replace(&mut *self.state(), BuildState::Cancelled)
        {
            // It may have ended by itself.
            let _ = kill_process_group(cargo, Signal::TERM);
        }
    }

    /// Whether it has ended builds.
    pub fn is_cancelled(&self) -> bool {
        *self.state() == BuildState::Cancelled
    }

    /// Starts cargo, unless builds have ended.
    pub(super) fn spawn_cargo(&self, cargo: &mut Command) -> io::Result<Child> {
        let mut state = self.state();
        if *state == BuildState::Cancelled {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // Who is not in the terminal's own group is stopped if it reads from there.
        let child = cargo.process_group(0).stdin(Stdio::null()).spawn()?;
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            *state = BuildState::Running(pid);
        }
        Ok(child)
    }

    /// Notes that cargo is about to end, before its id may become another's.
    pub(super) fn mark_finished(&self) {
        let mut state = self.state();
        if matches!(*state, BuildState::Running(_)) {
            *state = BuildState::Idle;
        }
    }

    fn state(&self) -> MutexGuard<'_, BuildState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
