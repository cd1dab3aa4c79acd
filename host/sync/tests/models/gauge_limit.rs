//! Models of nested gauges.

use loom::sync::Arc;
use loom::thread;
use narrowboat_sync::GaugeLimit;

/// The plugin's limit is 10 and its tenant's is 5. One thread requests 8, which the tenant does not have. The other
/// requests 3, which fits whatever happens to the request for 8.
#[test]
fn a_request_that_fits_succeeds_while_another_is_refused() {
    loom::model(|| {
        let gauges = Arc::new((GaugeLimit::new(10), GaugeLimit::new(5)));
        let other = {
            let gauges = Arc::clone(&gauges);
            thread::spawn(move || GaugeLimit::try_acquire_all([&gauges.0, &gauges.1], 8))
        };
        assert_eq!(GaugeLimit::try_acquire_all([&gauges.0, &gauges.1], 3), Ok(()), "it fits");
        assert!(other.join().unwrap().is_err(), "the tenant has no room for it");
        assert_eq!((gauges.0.used(), gauges.1.used()), (3, 3));
    });
}

#[test]
fn usage_never_exceeds_the_limit_and_can_reach_it() {
    loom::model(|| {
        let gauge = Arc::new(GaugeLimit::new(3));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let gauge = Arc::clone(&gauge);
                thread::spawn(move || GaugeLimit::try_acquire_all([&gauge], 2))
            })
            .collect();
        let granted = threads.into_iter().filter_map(|it| it.join().unwrap().ok()).count();
        assert_eq!((granted, gauge.used()), (1, 2));
        assert_eq!(GaugeLimit::try_acquire_all([&gauge], 1), Ok(()));
    });
}

/// Two plugins of one tenant, which has room for one more.
#[test]
fn one_of_two_requests_succeeds_if_only_one_fits() {
    loom::model(|| {
        let tenant = Arc::new(GaugeLimit::new(1));
        let spawn_plugin = |tenant: Arc<GaugeLimit>| {
            thread::spawn(move || {
                let own = GaugeLimit::new(1);
                let granted = GaugeLimit::try_acquire_all([&own, &tenant], 1).is_ok();
                assert_eq!(own.used(), usize::from(granted), "a refused request is not counted");
                granted
            })
        };
        let (one, other) = (spawn_plugin(Arc::clone(&tenant)), spawn_plugin(Arc::clone(&tenant)));
        assert!(one.join().unwrap() != other.join().unwrap());
        assert_eq!(tenant.used(), 1);
    });
}

#[test]
fn a_concurrent_release_is_counted_once() {
    loom::model(|| {
        let gauge = Arc::new(GaugeLimit::new(2));
        gauge.add_unchecked(2);
        let releaser = {
            let gauge = Arc::clone(&gauge);
            thread::spawn(move || gauge.release(1))
        };
        let granted = GaugeLimit::try_acquire_all([&gauge], 1).is_ok();
        releaser.join().unwrap();
        assert_eq!(gauge.used(), 1 + usize::from(granted));
        assert!(granted || gauge.has_room(1));
    });
}
