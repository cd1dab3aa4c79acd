//! `narrowboat plugin inspect`: what a component says of itself, without running it.

use std::fmt;

use crate::component::{ComponentError, summarise};
use crate::plugin::Hash;

/// The world that plugins implement.
const WORLD: &str = "narrowboat:consumer/websocket-consumer";

/// What a component says of itself.
#[derive(Debug)]
pub struct Inspection {
    imports: Vec<String>,
    exports: Vec<String>,
    is_consumer: bool,
    manifest: Option<String>,
    size: usize,
    digest: Hash,
}

/// Looks at the bytes of a component.
///
/// # Errors
/// When they are not a whole component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ComponentError> {
    let summary = summarise(bytes)?;
    Ok(Inspection {
        is_consumer: summary.is_consumer(),
        manifest: summary.manifest.map(|text| String::from_utf8_lossy(text).into_owned()),
        imports: summary.imports,
        exports: summary.exports,
        size: bytes.len(),
        digest: Hash::of(bytes),
    })
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = if self.is_consumer { WORLD } else { "unknown (no consumer is exported)" };
        writeln!(f, "world     {world}")?;
        list(f, "imports", &self.imports)?;
        list(f, "exports", &self.exports)?;
        writeln!(f, "size      {} bytes", self.size)?;
        writeln!(f, "sha256    {}", self.digest)?;
        match &self.manifest {
            None => writeln!(f, "manifest  none"),
            Some(text) => {
                writeln!(f, "manifest")?;
                text.trim_end().lines().try_for_each(|line| writeln!(f, "    {line}"))
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, names: &[String]) -> fmt::Result {
    let (first, rest) = names.split_first().map_or(("none", &[][..]), |(a, b)| (a.as_str(), b));
    writeln!(f, "{title:<9} {first}")?;
    rest.iter().try_for_each(|name| writeln!(f, "          {name}"))
}
