//! Prints generated pages.
#![allow(clippy::print_stdout)]
fn main() {
    let a = std::env::args().nth(1);
    print!(
        "{}",
        if a.as_deref() == Some("m") {
            narrowboat_server::metrics_reference()
        } else {
            narrowboat_server::admin_api_reference()
        }
    );
}
