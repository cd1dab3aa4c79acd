use std::mem::size_of;
use std::time::Duration;

use bytes::Bytes;

use super::memory_channel::MemoryChannel;
use super::*;

fn message(payload: usize) -> Message {
    let head = b"\x82\xa4type\xa1a\xa1x\xc5".to_vec();
    let len = u16::try_from(payload).unwrap().to_be_bytes().to_vec();
    Message::parse([head, len, vec![0; payload]].concat().into(), usize::MAX).unwrap()
}

fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

/// Nothing is left of anything.
fn assert_empty(layer: &MemoryLayer) {
    let world = layer.tenant(&Tenant::default_tenant());
    assert_eq!((world.channels.len(), world.groups.len()), (0, 0));
    assert_eq!((world.unread_expiry.len(), world.membership_expiry.len()), (0, 0));
    assert_eq!((world.unread_bytes.used(), world.membership_counter.used()), (0, 0));
}

fn layer_and_world(limits: LayerLimits) -> (MemoryLayer, Arc<MemoryTenant>) {
    let layer = MemoryLayer::new(limits);
    let world = layer.tenant(&Tenant::default_tenant());
    (layer, world)
}

#[test]
fn an_idle_channel_costs_less_than_four_hundred_bytes() {
    let reference_counts = 2 * size_of::<usize>();
    let name = reference_counts + ChannelName::unique(&ProcessId::random()).as_str().len();
    let channel = reference_counts + size_of::<MemoryChannel>();
    // A slot of the table is a pointer and a byte, and a table is at worst less than half full.
    let slot = 3 * (size_of::<usize>() + 1);
    let all = name + channel + slot + size_of::<Mailbox>();
    assert!(all < 400, "name {name}, channel {channel}, slot {slot}, all {all}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_channel_leaves_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    for name in 0..100 {
        world.send(&channel(&name.to_string()), Delivery::Message(message(10))).unwrap();
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert_eq!(world.channels.len(), 100);
    tokio::time::advance(Duration::from_millis(59_500)).await;
    world.expire_due();
    assert_eq!(world.channels.len(), 49);
    tokio::time::advance(Duration::from_secs(1)).await;
    world.expire_due();
    assert_empty(&layer);
}

#[tokio::test(start_paused = true)]
async fn an_expired_membership_leaves_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    world.group_add(&"g".parse().unwrap(), &channel("worker")).unwrap();
    tokio::time::advance(Duration::from_secs(86_400)).await;
    world.expire_due();
    assert_empty(&layer);
}

#[test]
fn a_refused_send_or_add_leaves_nothing_behind() {
    let limits = LayerLimits { unread_bytes: 600, memberships: 0, ..LayerLimits::default() };
    let (layer, world) = layer_and_world(limits);
    assert!(matches!(
        world.send(&channel("a"), Delivery::Message(message(600))),
        Err(LayerError::UnreadFull { .. })
    ));
    assert!(world.group_add(&"g".parse().unwrap(), &channel("a")).is_err());
    let mailbox = world.open_channel(&channel("s!1")).unwrap();
    assert!(world.group_add(&"g".parse().unwrap(), &channel("s!1")).is_err());
    drop(mailbox);
    assert_empty(&layer);
}

#[test]
fn gone_unique_channels_leave_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    let gone = channel("specific.1!2");
    world.send(&gone, Delivery::Message(message(1))).unwrap();
    world.group_add(&"g".parse().unwrap(), &gone).unwrap();
    assert_empty(&layer);
    let mailbox = world.open_channel(&gone).unwrap();
    world.group_add(&"g".parse().unwrap(), &gone).unwrap();
    world.send(&gone, Delivery::Message(message(1))).unwrap();
    drop(mailbox);
    assert_empty(&layer);
}

#[test]
fn a_read_and_closed_named_channel_leaves_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    world.send(&channel("a"), Delivery::Message(message(1))).unwrap();
    let mut mailbox = world.open_channel(&channel("a")).unwrap();
    assert_eq!((world.unread_expiry.len(), world.unread_bytes.used()), (0, 0));
    drop(mailbox);
    assert!(world.unread_bytes.used() > UNREAD_OVERHEAD_BYTES);
    mailbox = world.open_channel(&channel("a")).unwrap();
    assert!(mailbox.try_recv().is_some());
    drop(mailbox);
    assert_empty(&layer);
}

#[tokio::test(start_paused = true)]
async fn what_a_leaving_reader_left_expires_and_leaves_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    let mailbox = world.open_channel(&channel("a")).unwrap();
    world.send(&channel("a"), Delivery::Message(message(1))).unwrap();
    drop(mailbox);
    tokio::time::advance(Duration::from_secs(60)).await;
    world.expire_due();
    assert_empty(&layer);
}

#[test]
fn a_flushed_tenant_leaves_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    for name in ["a", "b"] {
        world.group_add(&"g".parse().unwrap(), &channel(name)).unwrap();
        world.send(&channel(name), Delivery::Message(message(1))).unwrap();
    }
    world.flush();
    assert_empty(&layer);
}

#[test]
fn a_dropped_layer_frees_its_worlds() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    let mailbox = world.open_channel(&channel("s!1")).unwrap();
    for name in ["s!1", "a"] {
        world.group_add(&"g".parse().unwrap(), &channel(name)).unwrap();
    }
    let alive = Arc::downgrade(&world);
    drop((layer, world));
    assert!(alive.upgrade().is_none());
    drop(mailbox);
}

#[test]
fn adding_and_ending_at_once_leaves_nothing_behind() {
    let (layer, world) = layer_and_world(LayerLimits::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let world = &world;
            scope.spawn(move || churn(world, thread));
        }
    });
    drain(&world, "worker");
    assert_empty(&layer);
}

/// Opens, joins, sends and leaves, with names that the threads share, so that their ends and adds meet.
fn churn(world: &Arc<MemoryTenant>, thread: usize) {
    let groups: Vec<GroupName> = (0..3).map(|n| format!("g{n}").parse().unwrap()).collect();
    for round in 0..2_000 {
        let own = channel(&format!("s!{thread}"));
        let other = channel(&format!("s!{}", (thread + 1) % 4));
        let mailbox = world.open_channel(&own).unwrap();
        let group = &groups[round % 3];
        world.group_add(group, &own).unwrap();
        world.group_add(group, &other).unwrap();
        world.group_send(group, &Delivery::Frame(Frame::Binary(Bytes::from_static(b"x"))));
        world.group_add(group, &channel("worker")).unwrap();
        if round % 2 == 0 {
            world.group_discard(group, &own);
        }
        drop(mailbox);
        world.group_discard(group, &channel("worker"));
        drain(world, "worker");
    }
    for group in &groups {
        world.group_discard(group, &channel("worker"));
    }
}

/// Reads a channel empty, unless another does.
fn drain(world: &Arc<MemoryTenant>, name: &str) {
    let mailbox = world.open_channel(&channel(name));
    mailbox.into_iter().for_each(|mut mailbox| while mailbox.try_recv().is_some() {});
}
