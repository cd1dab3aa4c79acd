//! Compiles components. In a host, a process of its own compiles each component under the limits of its tenant.
//!
//! ```text
//! host                                      narrowboat compile-component
//! CompileQueue         waits for a turn
//! ComponentCompiler    starts the process ──► CompileWorker   lowers its priority, limits itself,
//! CompileProcess       owns it                                compiles
//! MachineCode          loads the result ◄──────────────────── writes the machine code
//! ```

mod compile_error;
mod compile_failure;
mod compile_frames;
mod compile_process;
mod compile_queue;
mod compile_settings;
mod compile_worker;
mod compiler_program;
mod component_compiler;
mod load_cancellation;
mod machine_code;
mod memory_images;
mod process_limits;

pub use compile_error::CompileError;
pub(crate) use compile_queue::{CompileOwner, CompileQueue};
pub(crate) use compile_settings::{CompileSettings, MAX_WASM_STACK_BYTES};
pub use compile_worker::run_compile_worker;
pub use compiler_program::CompilerProgram;
pub use component_compiler::ComponentCompiler;
pub use load_cancellation::{CancelLoadOnDrop, LoadCancellation};
pub(crate) use machine_code::MachineCode;
