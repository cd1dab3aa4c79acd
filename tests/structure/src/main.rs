//! Prints the lengths of files and functions for each crate of the host, and the dependencies among the crates.

use std::io::{self, ErrorKind, Write};

use narrowboat_structure::{CRATE_ORDER, SourceFile, dependencies, host_sources};

fn main() -> io::Result<()> {
    match print_tables(&mut io::stdout().lock()) {
        // The reader has all that it wants, as in `| head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn print_tables(out: &mut impl Write) -> io::Result<()> {
    let sources = host_sources();
    writeln!(
        out,
        "| crate | files | lines | file median | file longest | functions | median | 90 % | longest |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for krate in CRATE_ORDER {
        let files: Vec<_> = sources.iter().filter(|file| file.krate == krate).collect();
        writeln!(out, "{}", row(krate, &files))?;
    }
    writeln!(out, "{}", row("all", &sources.iter().collect::<Vec<_>>()))?;
    writeln!(out)?;
    for krate in CRATE_ORDER {
        let normal = dependencies(krate).normal;
        let own: Vec<_> =
            normal.iter().filter_map(|name| name.strip_prefix("narrowboat-")).collect();
        writeln!(out, "{krate} -> {}", own.join(", "))?;
    }
    Ok(())
}

fn row(name: &str, files: &[&SourceFile]) -> String {
    let lines = sorted(files.iter().map(|file| file.line_count));
    let functions = files.iter().flat_map(|file| file.functions());
    let functions = sorted(functions.map(|function| function.line_count));
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
        lines.len(),
        lines.iter().sum::<usize>(),
        at(&lines, 50),
        at(&lines, 100),
        functions.len(),
        at(&functions, 50),
        at(&functions, 90),
        at(&functions, 100),
    )
}

fn sorted(counts: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_unstable();
    counts
}

/// The given percentile of sorted counts.
fn at(counts: &[usize], percent: usize) -> usize {
    let last = counts.len().saturating_sub(1);
    counts.get(last * percent / 100).copied().unwrap_or_default()
}
