//! Where components are compiled.

use super::compile_error::CompileError;
use super::compile_frames::CompileRequest;
use super::compile_process::CompileProcess;
use super::compile_settings::CompileSettings;
use super::compiler_program::CompilerProgram;
use super::load_cancellation::LoadCancellation;
use super::machine_code::MachineCode;
use narrowboat_quota::QuotaChain;

/// Where the components of plugins are compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentCompiler {
    /// In this process, without limits. For tests and tools, whose components are the user's own.
    InProcess,
    /// In a process of its own for each component, which has the limits `compile_time` and `compile_memory`.
    Process(CompilerProgram),
}

impl ComponentCompiler {
    /// Compiles a component for `engine`, which has these settings. Blocks.
    ///
    /// # Errors
    /// The problem of the component, the limit that it reached, or the problem with the process.
    pub(crate) fn compile(
        &self,
        engine: &wasmtime::Engine,
        settings: CompileSettings,
        component: &[u8],
        quota: &QuotaChain,
        cancellation: &LoadCancellation,
    ) -> Result<MachineCode<'static>, CompileError> {
        let code = match self {
            Self::InProcess => engine
                .precompile_component(component)
                .map_err(|error| CompileError::Refused(format!("{error:#}")))?,
            Self::Process(program) => {
                let limits = quota.compile_limits();
                let component_bytes = component.len() as u64;
                let request = CompileRequest { settings, limits, component_bytes };
                let process = CompileProcess::start(program)?;
                process
                    .run(&request, component, cancellation)
                    .map_err(|failure| failure.into_error(quota, limits))?
            }
        };
        Ok(MachineCode::from_compiler(code))
    }
}
