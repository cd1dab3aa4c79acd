//! Each document with a block of Rust, so that `cargo test --doc -p narrowboat-book` compiles its blocks.

/// A module for each document. Only a test of documentation sees them.
#[cfg(doctest)]
macro_rules! documents {
    ($($name:ident = $file:literal;)*) => {
        $(
            #[doc = include_str!(concat!("../../../", $file))]
            mod $name {}
        )*
    };
}

#[cfg(doctest)]
documents! {
    authenticate_users = "docs/how-to/authenticate-users.md";
    configure_a_plugin = "docs/how-to/configure-a-plugin.md";
    deploy_and_roll_back = "docs/how-to/deploy-and-roll-back.md";
    first_plugin = "docs/tutorial/first-plugin.md";
    keep_state_in_rooms = "docs/how-to/keep-state-in-rooms.md";
    readme = "README.md";
    schedule_work = "docs/how-to/schedule-work.md";
    send_http_requests = "docs/how-to/send-http-requests.md";
    store_data = "docs/how-to/store-data.md";
    test_a_plugin = "docs/how-to/test-a-plugin.md";
    write_a_worker = "docs/how-to/write-a-worker.md";
}
