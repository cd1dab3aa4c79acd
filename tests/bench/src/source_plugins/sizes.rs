//! The sizes of the runtime, of its code, of a program, and of the host's program.

use std::path::Path;

use anyhow::Context;

use super::runtime_images::compressed_component;
use super::source_figure::SourceFigure;
use super::source_host::SourceHosts;

/// Measures the sizes. Starts a host with the echo plugin in an empty cache, unless the cache has its program.
pub(super) fn measure(hosts: &SourceHosts<'_>) -> anyhow::Result<Vec<SourceFigure>> {
    if find_file(hosts.cache(), ".program").is_err() {
        let mut host = hosts.set_up("sizes", "")?;
        host.add_plugin("echo", hosts.language().echo, "")?;
        host.start("serve")?;
    }
    let gzip = compressed_component(hosts.language().language)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let code = find_file(hosts.cache(), ".runtime")?;
    let program = find_file(hosts.cache(), ".program")?;
    let narrowboat = std::fs::metadata(hosts.site().narrowboat_path()?)?.len();
    let figure = |title: &str, unit, value| SourceFigure::single(title, unit, value);
    Ok(vec![
        figure("size of the runtime's component", "MiB", mib(uncompressed_bytes(gzip)?)),
        figure("size of the component, compressed", "MiB", mib(gzip.len() as u64)),
        figure("size of the runtime's compiled code", "MiB", mib(code)),
        figure("size of the program of the echo", "bytes", program as f64),
        figure("size of the program narrowboat", "MiB", mib(narrowboat)),
    ])
}

/// The size of the smallest file with this suffix.
fn find_file(folder: &Path, suffix: &str) -> anyhow::Result<u64> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let files = entries.filter_map(Result::ok);
    let files = files.filter(|entry| entry.file_name().to_string_lossy().ends_with(suffix));
    let sizes = files.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    sizes.min().with_context(|| format!("{} has no file *{suffix}", folder.display()))
}

/// The size of the content, which gzip has in its last four bytes.
fn uncompressed_bytes(gzip: &[u8]) -> anyhow::Result<u64> {
    let size = gzip.last_chunk().context("the compressed component is cut off")?;
    Ok(u64::from(u32::from_le_bytes(*size)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_has_the_size_of_its_content_at_its_end() {
        assert_eq!(uncompressed_bytes(b"gzip\x01\x02\0\0").unwrap(), 0x201);
        assert!(uncompressed_bytes(b"gz").is_err());
    }
}
