//! Reads what a component imports, exports and requests, without running it, for `narrowboat plugin inspect`.

use std::fmt;

use narrowboat_core::component::{ComponentError, Role, parse_info};
use narrowboat_core::manifest::Manifest;
use narrowboat_runtime::Sha256Digest;

/// The imports, exports and requested capabilities of a component. Its `Display` is a table for people.
#[derive(Debug)]
pub struct Inspection {
    imports: Vec<String>,
    exports: Vec<String>,
    roles: Vec<Role>,
    manifest: Option<String>,
    /// The capabilities that the manifest requests, one text each.
    requested_capabilities: Vec<String>,
    size: usize,
    digest: Sha256Digest,
}

/// Inspects the bytes of a component.
///
/// # Errors
/// When the bytes are not a complete component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    let info = parse_info(bytes)?;
    let manifest = info.manifest.and_then(|text| Manifest::parse(text).ok());
    Ok(Inspection {
        requested_capabilities: manifest
            .map_or_else(Vec::new, |manifest| manifest.capabilities.descriptions()),
        roles: info.roles().collect(),
        manifest: info.manifest.map(|text| String::from_utf8_lossy(text).into_owned()),
        imports: info.imports,
        exports: info.exports,
        size: bytes.len(),
        digest: Sha256Digest::of(bytes),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worlds: Vec<_> = self.roles.iter().map(|role| role.world().to_owned()).collect();
        match worlds.as_slice() {
            [] => writeln!(f, "world        unknown (no consumer and no worker is exported)")?,
            worlds => write_list(f, "world", worlds)?,
        }
        write_list(f, "imports", &self.imports)?;
        write_list(f, "exports", &self.exports)?;
        write_list(f, "capabilities", &self.requested_capabilities)?;
        writeln!(f, "size         {} bytes", self.size)?;
        writeln!(f, "sha256       {}", self.digest)?;
        match &self.manifest {
            None => writeln!(f, "manifest     none"),
            Some(text) => {
                writeln!(f, "manifest")?;
                text.trim_end().lines().try_for_each(|line| writeln!(f, "    {line}"))
            }
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, title: &str, names: &[String]) -> fmt::Result {
    let (first, rest) = names.split_first().map_or(("none", &[][..]), |(a, b)| (a.as_str(), b));
    writeln!(f, "{title:<12} {first}")?;
    rest.iter().try_for_each(|name| writeln!(f, "             {name}"))
}
