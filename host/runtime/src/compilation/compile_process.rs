//! A process that compiles one component.

use std::io::{Read, Write};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::compile_error::CompileError;
use super::compile_failure::CompileFailure;
use super::compile_frames::{CompileRequest, CompileResponse};
use super::compiler_program::CompilerProgram;
use super::load_cancellation::LoadCancellation;

/// The time for which a compilation may last, as a multiple of its processor time. The process waits for processors on a
/// busy machine, and other compilations wait for its end.
const DEADLINE_FACTOR: u32 = 10;

/// The shortest deadline of a compilation.
const MIN_DEADLINE: Duration = Duration::from_mins(5);

/// The longest text of a process about its end.
const MAX_LAST_WORDS_BYTES: u64 = 4 * 1024;

/// The most bytes of machine code without a limit of memory.
const MAX_CODE_BYTES: u64 = 4 << 30;

/// A process that compiles one component. It ends at the latest when this is dropped.
pub(super) struct CompileProcess(Arc<SharedChild>);

/// The process, which other threads may end.
struct SharedChild {
    child: Mutex<Child>,
    is_too_slow: AtomicBool,
}

/// Ends a process at its deadline, unless this is dropped before.
struct Deadline(Option<AbortHandle>);

impl CompileProcess {
    /// Starts the process.
    ///
    /// # Errors
    /// [`CompileError::Start`].
    pub(super) fn start(program: &CompilerProgram) -> Result<Self, CompileError> {
        let to_error = |source| CompileError::Start { program: program.path().to_owned(), source };
        let child = program.command().spawn().map_err(to_error)?;
        let is_too_slow = AtomicBool::new(false);
        Ok(Self(Arc::new(SharedChild { child: Mutex::new(child), is_too_slow })))
    }

    /// Compiles the component. Blocks.
    ///
    /// # Errors
    /// The reason why there is no code.
    pub(super) fn run(
        &self,
        request: &CompileRequest,
        component: &[u8],
        cancellation: &LoadCancellation,
    ) -> Result<Vec<u8>, CompileFailure> {
        let interrupted = Arc::clone(&self.0);
        let step = cancellation.begin_step(move || interrupted.kill());
        let _step = step.ok_or(CompileFailure::Cancelled)?;
        let time = request.limits.time;
        let time = time.map(|time| time.saturating_mul(DEADLINE_FACTOR).max(MIN_DEADLINE));
        let deadline = Deadline::set(&self.0, time);
        let response = self.exchange(request, component);
        let (status, last_words) = self.read_end();
        drop(deadline);
        match response {
            Some(CompileResponse::Code(code)) => Ok(code),
            Some(CompileResponse::Refused(problem)) => Err(CompileFailure::Refused(problem)),
            Some(CompileResponse::OutOfMemory) => Err(CompileFailure::OutOfMemory),
            None if cancellation.is_cancelled() => Err(CompileFailure::Cancelled),
            None if self.0.is_too_slow.load(Ordering::Relaxed) => {
                Err(CompileFailure::TooSlow(time.unwrap_or_default()))
            }
            None => Err(CompileFailure::from_end(status, &last_words)),
        }
    }

    /// Sends the request and reads the response. `None` if the process ends before its response is complete.
    fn exchange(&self, request: &CompileRequest, component: &[u8]) -> Option<CompileResponse> {
        let (mut stdin, mut stdout) = {
            let mut child = self.0.lock();
            (child.stdin.take()?, child.stdout.take()?)
        };
        // If the process ends early, its end says why.
        let _ = request.write(&mut stdin).and_then(|()| stdin.write_all(component));
        drop(stdin);
        CompileResponse::read(&mut stdout, request.limits.memory.unwrap_or(MAX_CODE_BYTES))
    }

    /// Reads the last words of the process, and waits for its end.
    fn read_end(&self) -> (Option<ExitStatus>, String) {
        let stderr = self.0.lock().stderr.take();
        let mut last_words = Vec::new();
        if let Some(stderr) = stderr {
            let _ = stderr.take(MAX_LAST_WORDS_BYTES).read_to_end(&mut last_words);
        }
        (self.0.wait(), String::from_utf8_lossy(&last_words).into_owned())
    }
}

impl SharedChild {
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the process. Does nothing if it has ended.
    fn kill(&self) {
        let _ = self.lock().kill();
    }

    /// Waits for the end of the process. Other threads may end it meanwhile.
    fn wait(&self) -> Option<ExitStatus> {
        let pid = Pid::from_child(&self.lock());
        // The process stays until `Child::wait`, so its id cannot become another's.
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        self.lock().wait().ok()
    }
}

impl Drop for CompileProcess {
    fn drop(&mut self) {
        self.0.kill();
        let _ = self.0.lock().wait();
    }
}

impl Deadline {
    fn set(child: &Arc<SharedChild>, time: Option<Duration>) -> Self {
        let child = Arc::clone(child);
        let runtime = Handle::try_current().ok();
        Self(time.zip(runtime).map(|(time, runtime)| {
            let task = runtime.spawn(async move {
                tokio::time::sleep(time).await;
                child.is_too_slow.store(true, Ordering::Relaxed);
                child.kill();
            });
            task.abort_handle()
        }))
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
