//! Tests that the layer frees everything.

use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::MemoryLayer;
use super::memory_channel::MemoryChannel;
use super::memory_tenant::MemoryTenant;
use crate::{Delivery, LayerError, LayerLimits, Mailbox, UNREAD_OVERHEAD_BYTES};
use narrowboat_core::frame::Frame;
use narrowboat_core::message::Message;
use narrowboat_core::name::{ChannelName, GroupName, ProcessId, Tenant};

fn message(payload: usize) -> Message {
    let head = b"\x82\xa4type\xa1a\xa1x\xc5".to_vec();
    let len = u16::try_from(payload).unwrap().to_be_bytes().to_vec();
    Message::parse([head, len, vec![0; payload]].concat().into(), usize::MAX).unwrap()
}

fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

/// Asserts that the default tenant has no channels, groups, deadlines, bytes or memberships.
fn assert_empty(layer: &MemoryLayer) {
    let tenant = layer.tenant(&Tenant::default_tenant());
    assert_eq!((tenant.channels.len(), tenant.groups.len()), (0, 0));
    assert_eq!((tenant.unread_expiry.len(), tenant.membership_expiry.len()), (0, 0));
    assert_eq!((tenant.unread_bytes.used(), tenant.membership_counter.used()), (0, 0));
}

fn layer_and_tenant(limits: LayerLimits) -> (MemoryLayer, Arc<MemoryTenant>) {
    let layer = MemoryLayer::new(limits);
    let tenant = layer.tenant(&Tenant::default_tenant());
    (layer, tenant)
}

#[test]
fn idle_channel_costs_less_than_400_bytes() {
    let reference_counts = 2 * size_of::<usize>();
    let name_bytes = reference_counts + ChannelName::unique(&ProcessId::random()).as_str().len();
    let channel_bytes = reference_counts + size_of::<MemoryChannel>();
    // A slot of a hash set is a pointer and a control byte, and a set is at worst less than half full.
    let slot_bytes = 3 * (size_of::<usize>() + 1);
    let total = name_bytes + channel_bytes + slot_bytes + size_of::<Mailbox>();
    assert!(
        total < 400,
        "name {name_bytes}, channel {channel_bytes}, slot {slot_bytes}, total {total}"
    );
}

#[tokio::test(start_paused = true)]
async fn expired_channel_is_freed() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    for name in 0..100 {
        tenant.send(&channel(&name.to_string()), Delivery::Message(message(10))).unwrap();
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert_eq!(tenant.channels.len(), 100);
    tokio::time::advance(Duration::from_millis(59_500)).await;
    tenant.expire_due();
    assert_eq!(tenant.channels.len(), 49);
    tokio::time::advance(Duration::from_secs(1)).await;
    tenant.expire_due();
    assert_empty(&layer);
}

#[tokio::test(start_paused = true)]
async fn expired_membership_is_freed() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    tenant.group_add(&"g".parse().unwrap(), &channel("worker")).unwrap();
    tokio::time::advance(Duration::from_secs(86_400)).await;
    tenant.expire_due();
    assert_empty(&layer);
}

#[test]
fn refused_send_or_add_is_freed() {
    let limits = LayerLimits { unread_bytes: 600, memberships: 0, ..LayerLimits::default() };
    let (layer, tenant) = layer_and_tenant(limits);
    assert!(matches!(
        tenant.send(&channel("a"), Delivery::Message(message(600))),
        Err(LayerError::UnreadFull { .. })
    ));
    assert!(tenant.group_add(&"g".parse().unwrap(), &channel("a")).is_err());
    let mailbox = tenant.open_channel(&channel("s!1")).unwrap();
    assert!(tenant.group_add(&"g".parse().unwrap(), &channel("s!1")).is_err());
    drop(mailbox);
    assert_empty(&layer);
}

#[test]
fn ended_unique_channels_are_freed() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    let ended = channel("specific.1!2");
    tenant.send(&ended, Delivery::Message(message(1))).unwrap();
    tenant.group_add(&"g".parse().unwrap(), &ended).unwrap();
    assert_empty(&layer);
    let mailbox = tenant.open_channel(&ended).unwrap();
    tenant.group_add(&"g".parse().unwrap(), &ended).unwrap();
    tenant.send(&ended, Delivery::Message(message(1))).unwrap();
    drop(mailbox);
    assert_empty(&layer);
}

#[test]
fn empty_named_channel_is_freed_when_closed() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    tenant.send(&channel("a"), Delivery::Message(message(1))).unwrap();
    let mut mailbox = tenant.open_channel(&channel("a")).unwrap();
    assert_eq!((tenant.unread_expiry.len(), tenant.unread_bytes.used()), (0, 0));
    drop(mailbox);
    assert!(tenant.unread_bytes.used() > UNREAD_OVERHEAD_BYTES);
    mailbox = tenant.open_channel(&channel("a")).unwrap();
    assert!(mailbox.try_recv().is_some());
    drop(mailbox);
    assert_empty(&layer);
}

#[tokio::test(start_paused = true)]
async fn unread_messages_of_a_closed_mailbox_expire_and_are_freed() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    let mailbox = tenant.open_channel(&channel("a")).unwrap();
    tenant.send(&channel("a"), Delivery::Message(message(1))).unwrap();
    drop(mailbox);
    tokio::time::advance(Duration::from_secs(60)).await;
    tenant.expire_due();
    assert_empty(&layer);
}

#[test]
fn flushed_tenant_is_freed() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    for name in ["a", "b"] {
        tenant.group_add(&"g".parse().unwrap(), &channel(name)).unwrap();
        tenant.send(&channel(name), Delivery::Message(message(1))).unwrap();
    }
    tenant.flush();
    assert_empty(&layer);
}

#[test]
fn dropped_layer_frees_its_tenants() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    let mailbox = tenant.open_channel(&channel("s!1")).unwrap();
    for name in ["s!1", "a"] {
        tenant.group_add(&"g".parse().unwrap(), &channel(name)).unwrap();
    }
    let alive = Arc::downgrade(&tenant);
    drop((layer, tenant));
    assert!(alive.upgrade().is_none());
    drop(mailbox);
}

#[test]
fn concurrent_adds_and_closes_leave_nothing_behind() {
    let (layer, tenant) = layer_and_tenant(LayerLimits::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let tenant = &tenant;
            scope.spawn(move || churn(tenant, thread));
        }
    });
    drain(&tenant, "worker");
    assert_empty(&layer);
}

/// Opens, adds, sends and discards, with names that the threads share, so that their adds and closes race.
fn churn(tenant: &Arc<MemoryTenant>, thread: usize) {
    let groups: Vec<GroupName> = (0..3).map(|n| format!("g{n}").parse().unwrap()).collect();
    for round in 0..2_000 {
        let own = channel(&format!("s!{thread}"));
        let other = channel(&format!("s!{}", (thread + 1) % 4));
        let mailbox = tenant.open_channel(&own).unwrap();
        let group = &groups[round % 3];
        tenant.group_add(group, &own).unwrap();
        tenant.group_add(group, &other).unwrap();
        tenant.group_send(group, &Delivery::Frame(Frame::Binary(Bytes::from_static(b"x"))));
        tenant.group_add(group, &channel("worker")).unwrap();
        if round % 2 == 0 {
            tenant.group_discard(group, &own);
        }
        drop(mailbox);
        tenant.group_discard(group, &channel("worker"));
        drain(tenant, "worker");
    }
    for group in &groups {
        tenant.group_discard(group, &channel("worker"));
    }
}

/// Reads a channel until it is empty, unless another thread reads it.
fn drain(tenant: &Arc<MemoryTenant>, name: &str) {
    let mailbox = tenant.open_channel(&channel(name));
    mailbox.into_iter().for_each(|mut mailbox| while mailbox.try_recv().is_some() {});
}
