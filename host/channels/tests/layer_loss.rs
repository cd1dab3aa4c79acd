//! Messages and memberships of the layers over Redis when the server, a reply or a reader fails at a bad moment.

#![allow(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::time::Duration;

use narrowboat_channels::{
    ChannelLayer, DecodeErrorCause, LayerError, LayerLimits, Mailbox, Recipient, RedisLayer,
};
use redis_layer::*;

#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/redis_layer.rs"]
mod redis_layer;
mod support;

/// Returns a layer with a reader of `worker`, for which Redis has popped `b` in a reply that the proxy holds back, and
/// a second layer.
async fn reader_of_held_answer(redis: &Redis) -> (RedisLayer, RedisLayer, Mailbox) {
    let (layer, other) = (redis.layer(LayerLimits::default()).await, redis.other().await);
    let mut mailbox = opened(&layer, "worker").await;
    sent(&other, "worker", "a").await;
    assert_eq!(received(&mut mailbox).await, "a");
    redis.proxy.hold("BZPOPMIN");
    sent(&other, "worker", "b").await;
    until(|| redis.ask::<i64>(&["EXISTS", "asgiworker"]) == 0).await;
    (layer, other, mailbox)
}

#[test]
fn a_message_popped_for_a_closed_reader_is_read_by_the_next() {
    run(async {
        let redis = Redis::start();
        let (layer, other, mailbox) = reader_of_held_answer(&redis).await;
        drop(mailbox);
        let mut mailbox = opened(&layer, "worker").await;
        sent(&other, "worker", "c").await;
        redis.proxy.release();
        assert_eq!(received(&mut mailbox).await, "b");
        assert_eq!(received(&mut mailbox).await, "c");
        assert_eq!(layer.status().lost_count, 0);
    });
}

#[test]
fn a_message_popped_for_a_named_channel_survives_a_restart_of_readers() {
    run(async {
        let redis = Redis::start();
        let (_layer, other, mut mailbox) = reader_of_held_answer(&redis).await;
        // The pipeline loses its connection, and restarts the readers.
        let readers = redis.proxy.count("BZPOPMIN");
        redis.proxy.cut_others("BZPOPMIN");
        until(|| redis.proxy.count("BZPOPMIN") > readers + 1).await;
        redis.proxy.release();
        assert_eq!(received(&mut mailbox).await, "b");
        sent(&other, "worker", "c").await;
        assert_eq!(received(&mut mailbox).await, "c");
    });
}

#[test]
fn a_layer_is_connected_while_a_reader_waits_for_its_mailbox() {
    run(async {
        let redis = Redis::start();
        let (layer, other, mut mailbox) = reader_of_held_answer(&redis).await;
        // The reply arrives after the reader has abandoned its connection.
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::time::resume();
        until(|| !layer.status().is_connected).await;
        redis.proxy.release();
        until(|| layer.status().is_connected).await;
        assert_eq!(received(&mut mailbox).await, "b");
        sent(&other, "worker", "c").await;
        assert_eq!(received(&mut mailbox).await, "c");
    });
}

#[test]
fn a_message_popped_for_a_process_survives_a_restart_of_readers() {
    run(async {
        let redis = Redis::start();
        let (layer, other) = (redis.layer(LayerLimits::default()).await, redis.other().await);
        let mut mailbox = layer.new_channel(&tenant()).await.unwrap();
        let name = mailbox.channel().clone();
        sent(&other, name.as_str(), "a").await;
        assert_eq!(received(&mut mailbox).await, "a");
        redis.proxy.hold("BZPOPMIN");
        sent(&other, name.as_str(), "b").await;
        let key = format!("asgi{}", &name.as_str()[..=name.as_str().find('!').unwrap()]);
        until(|| redis.ask::<i64>(&["EXISTS", &key]) == 0).await;
        let readers = redis.proxy.count("BZPOPMIN");
        redis.proxy.cut_others("BZPOPMIN");
        until(|| redis.proxy.count("BZPOPMIN") > readers).await;
        redis.proxy.release();
        assert_eq!(received(&mut mailbox).await, "b");
    });
}

#[test]
fn wait_until_sent_includes_messages_that_readers_put_back() {
    run(async {
        let redis = Redis::start();
        let (layer, other) = (redis.layer(LayerLimits::default()).await, redis.other().await);
        let mailbox = opened(&layer, "worker").await;
        sent(&layer, "worker", "a").await;
        until(|| redis.ask::<i64>(&["EXISTS", "asgiworker"]) == 0).await;
        drop(mailbox);
        layer.wait_until_sent().await.unwrap();
        drop(layer);
        assert_eq!(received(&mut opened(&other, "worker").await).await, "a");
    });
}

#[test]
fn a_flush_keeps_the_markers_of_other_processes() {
    run(async {
        let redis = Redis::start();
        let (layer, _other) = (redis.layer(LayerLimits::default()).await, redis.other().await);
        let markers = || redis.ask::<Vec<String>>(&["KEYS", "asgi:narrowboat:written:*"]).len();
        until(|| markers() == 2).await;
        sent(&layer, "worker", "a").await;
        layer.flush(&tenant()).await.unwrap();
        assert_eq!((markers(), redis.ask::<i64>(&["DBSIZE"])), (2, 2));
    });
}

#[test]
fn a_refused_lease_fails_alone_with_publish_subscribe() {
    run(async {
        let redis = Redis::start();
        let layer = redis.pubsub(LayerLimits::default()).await;
        redis.ask::<String>(&["ACL", "SETUSER", "default", "-set"]);
        let connections = redis.proxy.count("PSUBSCRIBE");
        for _ in 0..3 {
            let lease = layer.try_acquire_lease(&tenant(), &channel("worker"), DEADLINE).await;
            let refused = |reason: &str| reason.to_lowercase().contains("noperm");
            assert!(matches!(lease, Err(LayerError::Unavailable { reason }) if refused(&reason)));
        }
        layer.wait_until_sent().await.unwrap();
        assert!(layer.status().is_connected);
        assert_eq!(redis.proxy.count("PSUBSCRIBE"), connections);
    });
}

#[test]
fn a_membership_that_ended_during_an_outage_ends_though_its_first_write_fails() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        let [stays, leaves] = [
            layer.new_channel(&tenant()).await.unwrap(),
            layer.new_channel(&tenant()).await.unwrap(),
        ];
        for mailbox in [&stays, &leaves] {
            layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        }
        layer.wait_for_memberships().await.unwrap();
        assert_eq!(redis.ask::<i64>(&["ZCARD", "asgi:group:g"]), 2);
        redis.proxy.cut();
        until(|| !layer.status().is_connected).await;
        layer.group_discard(&tenant(), &group("g"), leaves.channel()).await.unwrap();
        // Redis is reachable again, and delays writes beyond the time limit for replies.
        redis.ask::<String>(&["CLIENT", "PAUSE", "4000", "WRITE"]);
        redis.proxy.mend();
        until(|| layer.status().is_connected).await;
        layer.wait_for_memberships().await.unwrap();
        let members: Vec<String> = redis.ask(&["ZRANGE", "asgi:group:g", "0", "-1"]);
        assert_eq!(members, [stays.channel().as_str()]);
    });
}

#[test]
fn a_name_added_during_an_outage_is_a_member_afterwards() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        redis.proxy.cut();
        until(|| !layer.status().is_connected).await;
        layer.group_add(&tenant(), &group("g"), &channel("worker")).await.unwrap();
        redis.proxy.mend();
        until(|| layer.status().is_connected).await;
        let members: Vec<String> = redis.ask(&["ZRANGE", "asgi:group:g", "0", "-1"]);
        assert_eq!(members, ["worker"]);
    });
}

#[test]
fn waiting_for_memberships_fails_when_a_renewal_fails() {
    run(async {
        let redis = Redis::start();
        let limits =
            LayerLimits { group_expiry: Duration::from_millis(200), ..LayerLimits::default() };
        let layer = redis.layer(limits).await;
        let mailbox = layer.new_channel(&tenant()).await.unwrap();
        layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        layer.wait_for_memberships().await.unwrap();
        redis.proxy.cut();
        until(|| !layer.status().is_connected).await;
        layer.group_add(&tenant(), &group("h"), mailbox.channel()).await.unwrap();
        let confirmed =
            tokio::time::timeout(Duration::from_secs(20), layer.wait_for_memberships()).await;
        assert!(confirmed.unwrap().is_err());
    });
}

#[test]
fn messages_behind_a_failed_subscription_are_published_later() {
    run(async {
        let redis = Redis::start();
        let layer = redis.pubsub(LayerLimits { capacity: 200, ..LayerLimits::default() }).await;
        let mut mailbox = layer.new_channel(&tenant()).await.unwrap();
        redis.proxy.hold("");
        layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        for n in 0..100 {
            layer.group_send(&tenant(), &group("g"), message(&n.to_string())).await.unwrap();
        }
        until(|| !layer.status().is_connected).await;
        redis.proxy.release();
        for n in 0..100 {
            assert_eq!(received(&mut mailbox).await, n.to_string());
        }
        assert_eq!(layer.status().lost_count, 0);
    });
}

#[test]
fn a_message_from_a_clock_that_is_behind_is_delivered() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        let mut own = layer.new_channel(&tenant()).await.unwrap();
        let key = format!(
            "asgi{}",
            &own.channel().as_str()[..=own.channel().as_str().find('!').unwrap()]
        );
        for ahead in [-61.0, -86_400.0, 61.0, 86_400.0] {
            redis.put(&key, &addressed(own.channel()), ahead);
            assert_eq!(received(&mut own).await, "a");
        }
        let mut named = opened(&layer, "worker").await;
        sent(&layer, "worker", "b").await;
        assert_eq!(received(&mut named).await, "b");
        redis.put("asgiworker", &wire(b"\x81\xa4type\xa1a"), -61.0);
        assert_eq!(received(&mut named).await, "a");
        assert_eq!(layer.status().expired_count, 0);
        drop(named);
        layer.wait_until_sent().await.unwrap();
        // The age of a message that waits without a reader is known only by its score.
        redis.put("asgiworker", &wire(b"\x81\xa4type\xa1c"), -61.0);
        redis.put("asgiworker", &wire(b"\x81\xa4type\xa1d"), 0.0);
        assert_eq!(received(&mut opened(&layer, "worker").await).await, "d");
        assert_eq!(layer.status().expired_count, 1);
    });
}

#[test]
fn decoding_errors_are_counted_by_cause() {
    run(async {
        let redis = Redis::start();
        let layer = redis.layer(LayerLimits::default()).await;
        let mut mailbox = layer.new_channel(&tenant()).await.unwrap();
        let name = mailbox.channel().as_str().to_owned();
        let key = format!("asgi{}", &name[..=name.find('!').unwrap()]);
        let deep = [b"\x82\xa4type\xa1a\xa1x".as_slice(), &[0x91; 64], b"\xc0"].concat();
        let bodies: [(&[u8], DecodeErrorCause); 6] = [
            (b"\x82\xa4type\xa1a\xa1x\xd4\x01\x00", DecodeErrorCause::Extension),
            (b"\x82\xa4type\xa1a\xa1x\xa3\xed\xa0\x80", DecodeErrorCause::Text),
            (&deep, DecodeErrorCause::Depth),
            (b"\x81\xa1x\xa1a", DecodeErrorCause::Type),
            (b"\x82\xa4type\xa1a\xb0__asgi_channel__\x01", DecodeErrorCause::Address),
            (b"\x90", DecodeErrorCause::Other),
        ];
        for (body, _) in bodies {
            redis.put(&key, &wire(body), 0.0);
        }
        redis.put(&key, b"short", 0.0);
        redis.put(&key, &addressed(mailbox.channel()), 1.0);
        assert_eq!(received(&mut mailbox).await, "a");
        let counts = layer.status().decode_errors;
        let expected = bodies.map(|(_, cause)| cause);
        for (cause, count) in counts.counts_by_cause() {
            let is_expected = expected.contains(&cause) || cause == DecodeErrorCause::Prefix;
            assert_eq!(count, u64::from(is_expected), "{cause:?}");
        }
        assert_eq!(counts.total(), 7);
    });
}

#[test]
fn receivers_are_counted_if_they_are_known() {
    run(async {
        let redis = Redis::start();
        let (layer, other) = (redis.layer(LayerLimits::default()).await, redis.other().await);
        let pubsub = redis.pubsub(LayerLimits::default()).await;
        let mailbox = layer.new_channel(&tenant()).await.unwrap();
        let subscribed = pubsub.new_channel(&tenant()).await.unwrap();
        let count = async |layer: &dyn ChannelLayer, to: Recipient<'_>| {
            layer.receiver_count(&tenant(), to).await.unwrap()
        };
        let members = group("g");
        let members = Recipient::Group(&members);
        assert_eq!(count(&layer, members).await, Some(0));
        assert_eq!(count(&pubsub, members).await, Some(0));
        layer.group_add(&tenant(), &group("g"), mailbox.channel()).await.unwrap();
        layer.wait_for_memberships().await.unwrap();
        pubsub.group_add(&tenant(), &group("g"), subscribed.channel()).await.unwrap();
        pubsub.wait_for_memberships().await.unwrap();
        assert_eq!(count(&other, members).await, Some(1));
        assert_eq!(count(&pubsub, members).await, Some(1));
        assert_eq!(count(&layer, Recipient::Channel(mailbox.channel())).await, Some(1));
        assert_eq!(count(&other, Recipient::Channel(mailbox.channel())).await, None);
        let ended = mailbox.channel().clone();
        drop(mailbox);
        assert_eq!(count(&layer, Recipient::Channel(&ended)).await, Some(0));
    });
}
