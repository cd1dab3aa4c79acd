use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use narrowboat_config::Quota;
use narrowboat_core::units::{ByteSize, DurationSetting};

use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn quota_chain(own: Quota, tenant: Quota) -> Arc<QuotaChain> {
    let quota = QuotaChain::new("", Arc::new(QuotaNode::new(&tenant)), Arc::default());
    quota.set_plugin_limits(&own);
    Arc::new(quota)
}

#[test]
fn the_lower_of_two_limits_applies_and_a_refused_connection_is_not_counted() {
    let one = Quota { connections: Some(1), ..Quota::default() };
    let two = Quota { connections: Some(2), ..Quota::default() };
    for (own, tenant) in [(one, two), (two, one)] {
        let quota = quota_chain(own, tenant);
        let first = quota.try_admit_connection(ADDRESS).unwrap();
        for _ in 0..3 {
            assert_eq!(quota.try_admit_connection(ADDRESS).unwrap_err(), LimitKind::Connections);
        }
        assert_eq!(quota.limit_hit_count(LimitKind::Connections), 3);
        drop(first);
        assert!(quota.try_admit_connection(ADDRESS).is_ok());
    }
}

#[test]
fn plugins_of_a_tenant_share_its_limits() {
    let tenant = Arc::new(QuotaNode::new(&Quota { connections: Some(1), ..Quota::default() }));
    let plugin = || Arc::new(QuotaChain::new("", Arc::clone(&tenant), Arc::default()));
    let (one, other) = (plugin(), plugin());
    let _held = one.try_admit_connection(ADDRESS).unwrap();
    assert_eq!(other.try_admit_connection(ADDRESS).unwrap_err(), LimitKind::Connections);
    assert_eq!(
        (
            one.limit_hit_count(LimitKind::Connections),
            other.limit_hit_count(LimitKind::Connections)
        ),
        (0, 1)
    );
    let limit =
        LimitUsage { kind: LimitKind::Connections, used: Some(1), limit: Some(1), hit_count: 1 };
    assert_eq!(tenant.limit_usage().collect::<Vec<_>>(), [limit]);
    assert_eq!(other.plugin_limit_usage().count(), 0);
}

#[test]
fn a_plugin_over_its_cpu_limit_waits_and_the_hit_is_counted_once() {
    let cpu = Quota { cpu: Some(DurationSetting::from_millis(100)), ..Quota::default() };
    let quota = quota_chain(cpu, Quota::default());
    assert!(!quota.is_cpu_exhausted() && quota.cpu_wait().is_none());
    for _ in 0..300 {
        quota.record_cpu_time(Duration::from_millis(1));
    }
    assert!(quota.is_cpu_exhausted());
    let wait = quota.cpu_wait().unwrap();
    assert!((Duration::from_millis(1_900)..=Duration::from_secs(2)).contains(&wait), "{wait:?}");
    assert_eq!(quota.limit_hit_count(LimitKind::Cpu), 1);
    quota.set_plugin_limits(&Quota::default());
    assert!(quota.cpu_wait().is_none() && !quota.is_cpu_exhausted());
}

#[test]
fn the_read_wait_is_the_longer_of_the_frame_and_the_byte_wait() {
    let rates = Quota { frames_in: Some(10), bytes_in: Some(ByteSize::mib(1)), ..Quota::default() };
    let quota = quota_chain(rates, Quota::default());
    (0..10).for_each(|_| quota.record_received(1));
    assert_eq!(quota.read_wait(), None);
    quota.record_received(4 << 20);
    assert_eq!(quota.read_wait().unwrap().1, LimitKind::BytesIn);
    assert_eq!(quota.write_wait(), None);
}

#[test]
fn a_dropped_reservation_is_released() {
    let room = Quota { total_snapshots: Some(ByteSize::mib(1)), ..Quota::default() };
    let quota = quota_chain(room, Quota::default());
    let reservation = quota.try_reserve(QuotaResource::SnapshotBytes, 1 << 20).unwrap();
    assert_eq!(
        quota.try_reserve(QuotaResource::SnapshotBytes, 1).unwrap_err(),
        LimitKind::TotalSnapshots
    );
    drop(reservation);
    assert!(quota.try_reserve(QuotaResource::SnapshotBytes, 1).is_ok());
}

#[test]
fn a_refused_reservation_is_counted_at_no_node() {
    let (wide, narrow) = (ByteSize::mib(2), ByteSize::mib(1));
    let quota = |most| Quota { total_memory: Some(most), ..Quota::default() };
    let quota = quota_chain(quota(wide), quota(narrow));
    let mut reservation = quota.try_reserve(QuotaResource::MemoryBytes, 1 << 20).unwrap();
    assert_eq!(quota.find_full_owner(QuotaResource::MemoryBytes, 0), None);
    for _ in 0..3 {
        assert_eq!(reservation.try_grow(1), Err(LimitKind::TotalMemory));
        assert_eq!(quota.find_full_owner(QuotaResource::MemoryBytes, 1), Some(QuotaOwner::Tenant));
    }
    assert_eq!(quota.limit_hit_count(LimitKind::TotalMemory), 3);
    drop(reservation);
    assert!(quota.try_reserve(QuotaResource::MemoryBytes, 1 << 20).is_ok());
}

#[test]
fn a_connection_that_the_tenant_refuses_is_not_counted_as_a_handshake_of_the_plugin() {
    let own = Quota { handshakes_per_second: Some(2), ..Quota::default() };
    let tenant = Quota { connections: Some(1), ..Quota::default() };
    let quota = quota_chain(own, tenant);
    let first = quota.try_admit_connection(ADDRESS).unwrap();
    for _ in 0..100 {
        assert_eq!(quota.try_admit_connection(ADDRESS).unwrap_err(), LimitKind::Connections);
    }
    drop(first);
    assert!(
        quota.try_admit_connection(ADDRESS).is_ok(),
        "refused connections must not use up the handshake rate"
    );
}

#[test]
fn a_connection_that_the_plugin_refuses_is_not_counted_at_the_tenant() {
    let one = Quota { connections_per_address: Some(1), ..Quota::default() };
    let quota = quota_chain(Quota { connections: Some(1), ..Quota::default() }, one);
    let first = quota.try_admit_connection(ADDRESS).unwrap();
    assert_eq!(quota.try_admit_connection(ADDRESS).unwrap_err(), LimitKind::Connections);
    drop(first);
    let other = "192.0.2.1".parse().unwrap();
    let second = quota.try_admit_connection(other).unwrap();
    drop(second);
    assert!(quota.try_admit_connection(ADDRESS).is_ok());
}

#[test]
fn the_lowest_limits_of_compilations_apply_and_their_owner_counts() {
    let time = |seconds| Some(DurationSetting::from_secs(seconds));
    let own = Quota { compile_memory: Some(ByteSize::mib(1)), ..Quota::default() };
    let tenant =
        Quota { compile_time: time(2), compile_memory: Some(ByteSize::mib(2)), ..Quota::default() };
    let quota = quota_chain(own, tenant);
    let expected = CompileLimits { time: Some(Duration::from_secs(2)), memory: Some(1 << 20) };
    assert_eq!(quota.compile_limits(), expected);
    assert_eq!(quota.record_compile_limit_hit(LimitKind::CompileTime), QuotaOwner::Tenant);
    assert_eq!(quota.record_compile_limit_hit(LimitKind::CompileMemory), QuotaOwner::Plugin);
    assert_eq!(quota.limit_hit_count(LimitKind::CompileTime), 1);
}

#[test]
fn a_plugin_without_limits_of_compilations_has_none() {
    let quota = quota_chain(Quota::default(), Quota::default());
    assert_eq!(quota.compile_limits(), CompileLimits::default());
}
