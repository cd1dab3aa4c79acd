//! The type stubs of the Python runtime, which the program carries, so that editors know the modules of a new plugin.

macro_rules! stub_files {
    ($($path:literal,)*) => {
        &[$(($path, include_str!(concat!("../../../../runtimes/python/stubs/", $path))),)*]
    };
}

/// The stubs, with their paths in the folder `typings`, where Pyright looks for them.
pub(super) const STUBS: &[(&str, &str)] = stub_files![
    "asgiref/__init__.pyi",
    "asgiref/local.pyi",
    "asgiref/sync.pyi",
    "channels/__init__.pyi",
    "channels/auth.pyi",
    "channels/consumer.pyi",
    "channels/db.pyi",
    "channels/exceptions.pyi",
    "channels/generic/__init__.pyi",
    "channels/generic/websocket.pyi",
    "channels/layers.pyi",
    "channels/testing.pyi",
    "narrowboat/__init__.pyi",
    "narrowboat/config.pyi",
    "narrowboat/http.pyi",
    "narrowboat/keyvalue.pyi",
    "narrowboat/room.pyi",
    "narrowboat/testing.pyi",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new::sdk::source_paths;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn the_program_carries_every_stub() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../runtimes/python/stubs"));
        let present: BTreeSet<_> = source_paths(root)
            .into_iter()
            .map(|path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned())
            .collect();
        let carried = STUBS.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(present, carried);
    }
}
