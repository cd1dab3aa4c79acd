//! The closes that the host sends by itself are those of `HostClose`, which the reference page of close codes lists.

use std::collections::BTreeSet;

use narrowboat_structure::host_sources;
use syn::visit::{self, Visit};
use syn::{ExprPath, ExprStruct, Path};

/// Files that make Close frames beside `HostClose`: with a code that a guest, an operator or a client chose.
const ALLOWED: [&str; 7] = [
    "core/src/host_close.rs",
    "runtime/src/host_api/connections.rs",
    "runtime/src/instance/consumer_instance.rs",
    "server/src/admin/connections.rs",
    "test-kit/src/simulated_host/connections.rs",
    "test-kit/src/test_client.rs",
    "websocket/src/codec/frame_decoder.rs",
];

/// Notes whether a file makes a Close frame of its own.
#[derive(Default)]
struct CloseFrameFinder {
    is_found: bool,
}

impl CloseFrameFinder {
    fn note(&mut self, path: &Path, names: &[&str]) {
        let path: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.is_found |= path.ends_with(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
}

impl<'ast> Visit<'ast> for CloseFrameFinder {
    fn visit_expr_path(&mut self, expression: &'ast ExprPath) {
        self.note(&expression.path, &["CloseFrame", "new"]);
    }

    fn visit_expr_struct(&mut self, expression: &'ast ExprStruct) {
        self.note(&expression.path, &["CloseFrame"]);
        visit::visit_expr_struct(self, expression);
    }
}

#[test]
fn only_known_files_make_close_frames() {
    let makes_frames = host_sources().into_iter().filter(|file| {
        let mut finder = CloseFrameFinder::default();
        file.items.iter().for_each(|item| finder.visit_item(item));
        finder.is_found
    });
    let found: BTreeSet<_> = makes_frames.map(|file| file.path).collect();
    let allowed: BTreeSet<_> = ALLOWED.into_iter().map(str::to_owned).collect();
    assert_eq!(found, allowed, "a close of the host has to be a HostClose");
}
