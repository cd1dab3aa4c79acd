//! `narrowboat new`

mod language;
mod project;
mod python_stubs;
mod sdk;
mod template;

use std::path::Path;

use anyhow::anyhow;

use super::arguments::NewArgs;
use super::cli_error::CliError;
use super::output::print_line;
pub(super) use language::ProjectLanguage;
use narrowboat_core::manifest::Manifest;
use project::Project;
pub(super) use template::Template;

/// Creates a folder with a plugin and a configuration that serves it.
pub(super) fn run(arguments: &NewArgs) -> Result<(), CliError> {
    let NewArgs { folder, language, template } = arguments;
    let name = plugin_name(folder)?;
    check_is_empty(folder)?;
    let project = Project::new(&name, *language, *template);
    project.write(folder).map_err(CliError::runtime)?;
    let (code, folder) = (folder.join(language.code_path()), folder.display());
    print_line(format_args!(
        "created the plugin {name}; its code is in {code}\n{effect}\n\nserve it:\n  narrowboat dev {folder}\n\
         and in another terminal:\n  narrowboat talk ws://127.0.0.1:8000/{name}/{path}",
        code = code.display(),
        effect = template.effect(),
        path = template.example_path(),
    ))
}

/// Returns the name of the plugin, which is the name of its folder.
fn plugin_name(folder: &Path) -> Result<String, CliError> {
    // The folder may be `.`.
    let folder = std::path::absolute(folder).map_err(CliError::usage)?;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let manifest = Manifest::parse(format!("name = {name:?}\n").as_bytes());
    match manifest {
        Ok(_) if !name.starts_with(|first: char| first.is_ascii_digit()) => Ok(name.to_owned()),
        _ => Err(CliError::usage(anyhow!(
            "{name:?} cannot be the name of a plugin: a name has 1 to 64 of a-z, 0-9, - and _, and begins with a letter"
        ))),
    }
}

/// Checks that the folder has no files that the project could overwrite.
fn check_is_empty(folder: &Path) -> Result<(), CliError> {
    let is_empty = match folder.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(CliError::usage(anyhow!("{}: {error}", folder.display()))),
    };
    if !is_empty {
        return Err(CliError::usage(anyhow!("{} exists and is not empty", folder.display())));
    }
    Ok(())
}
