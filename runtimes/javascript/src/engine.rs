//! The engine of this instance: QuickJS, and the functions of `js/runtime.js` that handle events.

use std::cell::{Cell, RefCell};

use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, Function, Object, Persistent, Runtime};

use crate::bindings::narrowboat::consumer::call_time;
use crate::failure::Failure;
use crate::module_loader::{ModuleLoader, ModuleResolver};
use crate::{failure, rejections};

/// The part of the stack of 1 MiB that code in JavaScript may use, in bytes.
const MAX_STACK_BYTES: usize = 256 * 1024;

/// The bytes that an instance has to be able to allocate after code has run out of memory. With less it is of no use to
/// its other connections.
const MIN_FREE_BYTES: usize = 64 * 1024;

/// The part of the time of a call that is left when the engine ends the code: one in this many.
const TIME_MARGIN: u64 = 10;

thread_local! {
    static ENGINE: RefCell<Engine> = RefCell::new(Engine::new());
    /// The time limit of the call whose code the engine has ended, in microseconds. 0 if it has ended none.
    static ENDED_AT_LIMIT: Cell<u64> = const { Cell::new(0) };
}

/// QuickJS, and the functions that handle events.
struct Engine {
    runtime: Runtime,
    context: Context,
    hooks: RefCell<Option<Persistent<Object<'static>>>>,
}

impl Engine {
    fn new() -> Self {
        let runtime = Runtime::new().expect("memory for a runtime");
        runtime.set_max_stack_size(MAX_STACK_BYTES);
        runtime.set_loader(ModuleResolver, ModuleLoader);
        runtime.set_interrupt_handler(Some(Box::new(is_time_used_up)));
        runtime.set_host_promise_rejection_tracker(Some(Box::new(rejections::track)));
        let context = Context::full(&runtime).expect("memory for a context");
        Self { runtime, context, hooks: RefCell::default() }
    }
}

/// Calls `work` with the context.
pub fn with_context<R>(work: impl for<'js> FnOnce(&Ctx<'js>) -> R) -> R {
    ENGINE.with_borrow(|engine| engine.context.with(|ctx| work(&ctx)))
}

/// Replaces the engine by a new one, which has loaded no modules.
pub fn reset() {
    rejections::clear();
    ENGINE.with_borrow_mut(|engine| {
        // The engine has to outlive its values.
        engine.hooks.take();
        *engine = Engine::new();
    });
}

/// Keeps the functions that handle events.
pub fn set_hooks<'js>(ctx: &Ctx<'js>, hooks: Object<'js>) {
    ENGINE.with_borrow(|engine| engine.hooks.replace(Some(Persistent::save(ctx, hooks))));
}

/// Calls the function `name` of `js/runtime.js`, and then all jobs of promises that are ready.
///
/// # Errors
/// The failure of `work` or of a job.
pub fn run<R>(
    name: &str,
    work: impl for<'js> FnOnce(&Ctx<'js>, Function<'js>) -> rquickjs::Result<R>,
) -> Result<R, Failure> {
    let result = attempt(|ctx| {
        let hooks = ENGINE.with_borrow(|engine| engine.hooks.borrow().clone());
        let hooks = hooks.ok_or(rquickjs::Error::Unknown)?.restore(ctx)?;
        work(ctx, hooks.get(name)?)
    });
    let ran = run_jobs();
    let value = result?;
    ran.map(|()| value)
}

/// Calls `work` with the context.
///
/// # Errors
/// The exception that `work` throws.
pub fn attempt<R>(
    work: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<R>,
) -> Result<R, Failure> {
    ENDED_AT_LIMIT.set(0);
    let result = with_context(|ctx| work(ctx).catch(ctx).map_err(describe));
    result.inspect_err(end_if_exhausted)
}

/// Calls all jobs of promises that are ready, and logs the rejections that nothing handles.
///
/// # Errors
/// The failure of a job that the engine has ended.
pub fn run_jobs() -> Result<(), Failure> {
    let result = execute_jobs();
    with_context(rejections::report);
    result
}

/// Calls all jobs of promises that are ready.
///
/// # Errors
/// The failure of a job that the engine has ended.
pub fn execute_jobs() -> Result<(), Failure> {
    let result = ENGINE.with_borrow(|engine| {
        loop {
            match engine.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => {
                    return error.0.with(|ctx| Err(or_time_out(failure::of_value(&ctx.catch()))));
                }
            }
        }
    });
    result.inspect_err(end_if_exhausted)
}

/// Ends the instance if code has left no memory: then no event of any connection could be handled.
///
/// # Panics
/// If so.
fn end_if_exhausted(failure: &Failure) {
    if !failure.is_out_of_memory() {
        return;
    }
    ENGINE.with_borrow(|engine| engine.runtime.run_gc());
    let is_exhausted = Vec::<u8>::new().try_reserve_exact(MIN_FREE_BYTES).is_err();
    assert!(!is_exhausted, "the instance has no memory left: {}", failure.line);
}

fn describe(error: CaughtError<'_>) -> Failure {
    let failure = match error {
        CaughtError::Exception(exception) => failure::of_value(exception.as_value()),
        CaughtError::Value(value) => failure::of_value(&value),
        CaughtError::Error(error) => Failure::new(format!("the runtime failed: {error}"), None),
    };
    or_time_out(failure)
}

/// Describes the time-out at the place of the failure if the engine has ended the code.
fn or_time_out(failure: Failure) -> Failure {
    match time_out() {
        Some(time_out) => {
            let text = time_out.text.clone();
            Failure { line: time_out.at(failure.place()).line, text, ..failure }
        }
        None => failure,
    }
}

/// The failure of a call whose code the engine has ended.
fn time_out() -> Option<Failure> {
    let limit = ENDED_AT_LIMIT.get();
    (limit != 0).then(|| {
        Failure::new(
            format!("CallTimeout: the call has used most of its {} ms", limit / 1000),
            None,
        )
    })
}

/// The engine asks this from time to time, and ends the code that runs if it returns true.
fn is_time_used_up() -> bool {
    let time = call_time::get();
    let is_used_up = time.left < time.limit / TIME_MARGIN;
    if is_used_up {
        ENDED_AT_LIMIT.set(time.limit.max(1));
    }
    is_used_up
}
