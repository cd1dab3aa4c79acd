//! Calls of the SDK outside of a plugin that a host runs. None ends the process.

use std::thread;

use narrowboat_guest::http::Request;
use narrowboat_guest::prelude::*;
use narrowboat_guest::{clock, config, keyvalue, random};

const REASON: &str = "only a plugin that a host runs can do this";

#[test]
fn the_channel_layer_buckets_and_requests_return_an_error() {
    let errors = [
        ChannelLayer::group_add("group", "channel").unwrap_err().to_string(),
        ChannelLayer::group_send_frame("group", "text").unwrap_err().to_string(),
        keyvalue::open("bucket").unwrap_err().to_string(),
        Request::get("https://example.com").send().unwrap_err().to_string(),
    ];
    assert!(errors.iter().all(|error| error.contains(REASON)), "{errors:?}");
}

#[test]
fn the_configuration_is_empty_without_a_host() {
    assert_eq!((config::get("key"), config::all().len()), (None, 0));
}

#[test]
fn the_search_for_a_connection_panics_in_its_own_thread_only() {
    let panic = thread::spawn(|| Connection::find("specific.1!2").is_some()).join().unwrap_err();
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains(REASON), "{text}");
}

#[test]
fn the_clock_random_numbers_and_the_log_work_without_a_host() {
    let before = clock::monotonic();
    let mut bytes = [0; 64];
    random::fill(&mut bytes);
    info!("a line of {} bytes", bytes.len());
    assert!(clock::monotonic() >= before && bytes != [0; 64]);
    assert_eq!(send_many([], "text"), 0);
}
