use std::time::Duration;

use super::*;
use crate::fault::{ClientFault, Fault};

#[test]
fn the_list_has_every_close_once_in_the_order_of_the_codes() {
    let (_, variants) =
        include_str!("../host_close.rs").split_once("pub enum HostClose {").unwrap();
    let (variants, _) = variants.split_once("\n}").unwrap();
    let names: Vec<_> = variants.lines().filter(|line| line.ends_with(',')).collect();
    let listed: Vec<_> = HostClose::ALL.iter().map(|close| format!("    {close:?},")).collect();
    assert_eq!(names, listed);
    assert!(HostClose::ALL.is_sorted_by_key(|close| close.code()));
}

#[test]
fn the_codes_of_the_host_are_valid_on_the_wire_and_the_reasons_differ() {
    for (index, close) in HostClose::ALL.into_iter().enumerate() {
        let frame = close.frame();
        assert!(CloseFrame::is_valid_on_wire(frame.code), "{close:?}");
        assert_eq!(frame.reason, close.reason().text());
        assert!(HostClose::ALL[..index].iter().all(|other| other.frame().reason != frame.reason));
    }
}

#[test]
fn a_fault_of_the_client_closes_with_the_listed_reason() {
    let idle = ClientFault::IdleTimeout(Duration::from_secs(60));
    for (fault, close) in [
        (ClientFault::InvalidUtf8, HostClose::InvalidUtf8),
        (idle, HostClose::IdleTimeout),
        (ClientFault::SendQueueFull(1), HostClose::OutboundQueueFull),
    ] {
        assert_eq!(Fault::Client(fault).close_frame(), close.frame());
    }
}
