//! Cancels builds from another thread.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// Cancels builds: the one that runs, and all later ones. A clone cancels the same builds.
#[derive(Debug, Clone, Default)]
pub struct BuildCancellation(Arc<Mutex<BuildState>>);

#[derive(Debug, Default, PartialEq, Eq)]
enum BuildState {
    #[default]
    Idle,
    /// Cargo's process id, which is also the id of its process group: a signal to the group ends the compilers too.
    Running(Pid),
    Cancelled,
}

impl BuildCancellation {
    /// Ends the running build with its compilers, and makes later builds fail.
    pub fn cancel(&self) {
        if let BuildState::Running(cargo) =
            std::mem::replace(&mut *self.state(), BuildState::Cancelled)
        {
            // The call fails if cargo has ended meanwhile.
            let _ = kill_process_group(cargo, Signal::TERM);
        }
    }

    /// Whether builds are cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.state() == BuildState::Cancelled
    }

    /// Starts cargo.
    ///
    /// # Errors
    /// When builds are cancelled, or cargo cannot be started.
    pub(super) fn spawn_cargo(&self, cargo: &mut Command) -> io::Result<Child> {
        let mut state = self.state();
        if *state == BuildState::Cancelled {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // A process outside the terminal's foreground group is stopped if it reads from the terminal.
        let child = cargo.process_group(0).stdin(Stdio::null()).spawn()?;
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            *state = BuildState::Running(pid);
        }
        Ok(child)
    }

    /// Forgets cargo's id. Call it before cargo is waited for: another process may get the id afterwards.
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
