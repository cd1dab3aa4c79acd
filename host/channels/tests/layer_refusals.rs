//! The layer over Redis while a server refuses some commands and accepts the others.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::time::Duration;

use narrowboat_channels::{ChannelLayer, LayerLimits, QueueLoad};
use redis_layer::*;

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/redis_layer.rs"]
mod redis_layer;
mod support;

const GROUP: &str = "asgi:group:g";

fn members(redis: &Redis) -> Vec<String> {
    let mut members: Vec<String> = redis.ask(&["ZRANGE", GROUP, "0", "-1"]);
    members.sort();
    members
}

fn set_another_type(redis: &Redis, key: &str) {
    redis.ask::<String>(&["SET", key, "something else"]);
}

#[test]
fn a_layer_reconnects_though_a_named_channels_key_has_another_type() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        set_another_type(&redis, "asgijobs");
        let _jobs = opened(&layer, "jobs").await;
        redis.proxy.cut();
        // All tasks have noticed that, the reader of the channel too.
        until(|| redis.proxy.cut_count() > 20).await;
        assert!(!layer.status().is_connected);
        redis.proxy.mend();
        until(|| layer.status().is_connected).await;
    });
}

#[test]
fn a_refused_membership_is_written_later() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        set_another_type(&redis, GROUP);
        let mailbox = layer.new_channel(&tenant()).await.unwrap();
        for name in [mailbox.channel(), &channel("worker")] {
            layer.group_add(&tenant(), &group("g"), name).await.unwrap();
        }
        layer.wait_for_memberships().await.unwrap();
        redis.ask::<i64>(&["DEL", GROUP]);
        until(|| members(&redis) == [mailbox.channel().as_str(), "worker"]).await;
    });
}

#[test]
fn a_refused_membership_is_restored_later() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        let mailbox = layer.new_channel(&tenant()).await.unwrap();
        layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        layer.wait_for_memberships().await.unwrap();
        redis.proxy.cut();
        until(|| !layer.status().is_connected).await;
        layer.group_add(&tenant(), &group("g"), &channel("worker")).await.unwrap();
        set_another_type(&redis, GROUP);
        redis.proxy.mend();
        until(|| layer.status().is_connected).await;
        redis.ask::<i64>(&["DEL", GROUP]);
        until(|| members(&redis) == [mailbox.channel().as_str(), "worker"]).await;
    });
}

#[test]
fn a_membership_whose_end_redis_refuses_ends_once_it_is_taken() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        for name in ["kicked", "stays", "returns"] {
            layer.group_add(&tenant(), &group("g"), &channel(name)).await.unwrap();
        }
        layer.wait_for_memberships().await.unwrap();
        redis.ask::<String>(&["RENAME", GROUP, "aside"]);
        set_another_type(&redis, GROUP);
        for name in ["kicked", "returns"] {
            layer.group_discard(&tenant(), &group("g"), &channel(name)).await.unwrap();
        }
        layer.wait_for_memberships().await.unwrap();
        redis.ask::<String>(&["RENAME", "aside", GROUP]);
        // Later requests count.
        layer.group_add(&tenant(), &group("g"), &channel("returns")).await.unwrap();
        until(|| members(&redis) == ["returns", "stays"]).await;
    });
}

#[test]
fn a_message_given_back_from_a_mailbox_takes_its_place_before_later_ones() {
    run(async {
        let redis = Redis::start();
        let limits = LayerLimits { capacity: 1, ..LayerLimits::default() };
        let (layer, other) = (redis.layer(limits).await, redis.other().await);
        let mut mailbox = opened(&layer, "worker").await;
        sent(&layer, "worker", "z").await;
        assert_eq!(received(&mut mailbox).await, "z");
        // The score of a sender whose clock is behind: a message that arrives while a reader waits does not expire by it.
        redis.put("asgiworker", &wire(b"\x81\xa4type\xa1a"), -30.0);
        let is_full =
            || layer.check_send(&tenant(), &channel("worker"), QueueLoad::default(), 1).is_err();
        until(is_full).await;
        redis.put("asgiworker", &wire(b"\x81\xa4type\xa1b"), -29.0);
        redis.put("asgiworker", &wire(b"\x81\xa4type\xa1c"), -28.0);
        drop(mailbox);
        layer.wait_until_sent().await.unwrap();
        let mut mailbox = opened(&other, "worker").await;
        for kind in ["a", "b", "c"] {
            assert_eq!(received(&mut mailbox).await, kind);
        }
    });
}

#[test]
fn memberships_are_renewed_while_there_is_always_more_to_send() {
    run(async {
        let redis = Redis::start();
        let limits = LayerLimits { group_expiry: Duration::from_secs(2), ..LayerLimits::default() };
        let layer = redis.layer(limits).await;
        let mailbox = layer.new_channel(&tenant()).await.unwrap();
        let name = mailbox.channel().as_str().to_owned();
        layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        layer.wait_for_memberships().await.unwrap();
        let score = || redis.ask::<Option<f64>>(&["ZSCORE", GROUP, &name]);
        let first = score().unwrap();
        loop {
            for _ in 0..100 {
                let _ = layer.group_send(&tenant(), &group("g"), message("a")).await;
            }
            tokio::task::yield_now().await;
            if score().expect("a membership that is renewed in time") > first {
                return;
            }
        }
    });
}

#[test]
fn operations_to_repeat_come_before_the_queue() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        let mailbox = layer.new_channel(&tenant()).await.unwrap();
        layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        layer.wait_for_memberships().await.unwrap();
        let markers: Vec<String> = redis.ask(&["KEYS", "*:written:*"]);
        // The server seems to lose its data again and again.
        set_another_type(&redis, &markers[0]);
        for _ in 0..5_000 {
            layer.group_send(&tenant(), &group("g"), message("a")).await.unwrap();
        }
        let round_trips =
            || layer.status().round_trip_times.unwrap().bucket_counts.iter().sum::<u64>();
        let before = round_trips();
        until(|| round_trips() > before + 50).await;
        assert!(layer.status().queued_count > 4_000);
        redis.ask::<i64>(&["DEL", &markers[0]]);
        until(|| layer.status().queued_count == 0).await;
        assert_eq!(layer.status().lost_count, 0);
    });
}
