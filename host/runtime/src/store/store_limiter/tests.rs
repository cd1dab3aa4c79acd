//! Not on other systems, whose page faults the host does not count.
#![cfg(target_os = "linux")]

use std::hint::black_box;
use std::time::Duration;

use super::*;
use crate::store::page_faults;
use narrowboat_config::Quota;
use narrowboat_core::units::ByteSize;

const MIB: usize = 1 << 20;

/// The allocator maps an allocation of this size anew, so the first write to each of its pages is a page fault.
const MAPPED_BYTES: usize = 64 * MIB;

fn limits(memory_counting: MemoryCounting) -> InstanceLimits {
    InstanceLimits {
        memory: 32 * MIB,
        memory_counting,
        call_time: Duration::from_secs(1),
        worker_time: Duration::from_secs(1),
        timers: 1,
        snapshot: 1 << 10,
        load_time: Duration::ZERO,
        wait_time: Duration::ZERO,
        max_message_bytes: 1 << 10,
        max_frame_bytes: 1 << 10,
    }
}

/// Returns a limiter of an instance whose memory counts as it is touched, for a plugin with `total_memory`.
fn limiter(total_memory: usize) -> StoreLimiter {
    let quota = Arc::new(QuotaChain::default());
    quota.set_plugin_limits(&Quota {
        total_memory: Some(ByteSize::from(total_memory)),
        ..Quota::default()
    });
    let pool_slots = quota.reserve_unchecked(QuotaResource::Instances, 1);
    StoreLimiter::new(&limits(MemoryCounting::Touched), Arc::default(), quota, pool_slots)
}

fn grow(limiter: &mut StoreLimiter, current: usize, desired: usize) -> bool {
    limiter.memory_growing(current, desired, None).unwrap()
}

/// Writes to `bytes` of new memory, as a guest does in a call.
fn call_that_touches(limiter: &mut StoreLimiter, bytes: usize) -> Result<(), MemoryQuotaExceeded> {
    assert!(page_faults::is_each_page_counted());
    let mut memory = Vec::<u8>::with_capacity(MAPPED_BYTES);
    limiter.begin_call();
    memory.resize(bytes, 1);
    black_box(&memory);
    limiter.reserve_touched_memory()
}

#[test]
fn a_new_memory_is_not_counted() {
    let mut limiter = limiter(MIB);
    assert!(grow(&mut limiter, 0, 16 * MIB));
    assert_eq!(limiter.memory_reservation.count(), 0);
    assert_eq!(limiter.usage.memory(), 16 * MIB as u64);
}

#[test]
fn touched_memory_counts_with_the_pages_that_were_resident_before() {
    let mut limiter = limiter(MAPPED_BYTES);
    assert!(grow(&mut limiter, 0, 16 * MIB));
    call_that_touches(&mut limiter, 2 * MIB).unwrap();
    let counted = limiter.memory_reservation.count();
    assert!((2 * MIB + SLOT_RESIDENT_BYTES..3 * MIB).contains(&counted), "{counted}");
}

#[test]
fn touched_memory_counts_once_in_all_calls_together() {
    let mut limiter = limiter(MAPPED_BYTES);
    assert!(grow(&mut limiter, 0, 16 * MIB));
    call_that_touches(&mut limiter, MIB).unwrap();
    call_that_touches(&mut limiter, MIB).unwrap();
    let counted = limiter.memory_reservation.count();
    call_that_touches(&mut limiter, 0).unwrap();
    assert!((2 * MIB..3 * MIB).contains(&counted), "{counted}");
    assert_eq!(limiter.memory_reservation.count(), counted);
}

#[test]
fn no_more_than_the_size_of_the_memory_counts() {
    let mut limiter = limiter(MAPPED_BYTES);
    assert!(grow(&mut limiter, 0, 2 * MIB));
    call_that_touches(&mut limiter, 4 * MIB).unwrap();
    assert_eq!(limiter.memory_reservation.count(), 2 * MIB);
}

#[test]
fn added_memory_counts_at_once_and_not_again_when_it_is_touched() {
    let mut limiter = limiter(MAPPED_BYTES);
    assert!(grow(&mut limiter, 0, 2 * MIB) && grow(&mut limiter, 2 * MIB, 6 * MIB));
    assert_eq!(limiter.memory_reservation.count(), 4 * MIB);
    call_that_touches(&mut limiter, 3 * MIB).unwrap();
    assert_eq!(limiter.memory_reservation.count(), 4 * MIB);
}

#[test]
fn added_memory_is_refused_over_the_quota() {
    let mut limiter = limiter(3 * MIB);
    assert!(grow(&mut limiter, 0, 2 * MIB));
    assert!(!grow(&mut limiter, 2 * MIB, 6 * MIB));
    assert_eq!(limiter.denied_by(), Some(QuotaOwner::Plugin));
}

#[test]
fn a_call_that_touches_more_than_the_quota_has_an_error_with_the_limit() {
    let mut limiter = limiter(3 * MIB);
    assert!(grow(&mut limiter, 0, 16 * MIB));
    call_that_touches(&mut limiter, 2 * MIB).unwrap();
    let error = call_that_touches(&mut limiter, 2 * MIB).unwrap_err();
    assert_eq!(error.limit, LimitKind::TotalMemory);
    assert_eq!(limiter.denied_limit(), Some(LimitKind::TotalMemory));
}
