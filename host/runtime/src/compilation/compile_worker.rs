//! The process that compiles one component: `narrowboat compile-component`.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use wasmtime::OutOfMemory;

use super::compile_frames::{CompileRequest, CompileResponse, read_bytes};
use super::process_limits;

/// Compiles the component on standard input, and writes the machine code to standard output. The process limits itself
/// first: it ends with its host, lowers its priority, and has the processor time and the memory of the request.
///
/// # Errors
/// If the request is not complete, a limit cannot be set, or the host has gone.
pub fn run_compile_worker() -> io::Result<()> {
    process_limits::end_with_parent()?;
    process_limits::yield_to_host();
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let request = CompileRequest::read(&mut stdin)?;
    // The threads start before the limits hold, so that none is missing.
    let _ = rayon::ThreadPoolBuilder::new().build_global();
    process_limits::set_limits(request.limits)?;
    let response = match read_bytes(&mut stdin, request.component_bytes) {
        Some(component) => compile(&request, &component),
        None => return Err(io::ErrorKind::UnexpectedEof.into()),
    };
    response.write(&mut stdout)
}

fn compile(request: &CompileRequest, component: &[u8]) -> CompileResponse {
    let compiled = wasmtime::Engine::new(&request.settings.config())
        .and_then(|engine| engine.precompile_component(component));
    match compiled {
        Ok(code) => CompileResponse::Code(code),
        Err(error) if error.is::<OutOfMemory>() => CompileResponse::OutOfMemory,
        Err(error) => CompileResponse::refused(&format!("{error:#}")),
    }
}
