//! Counters that stand within each other.

use loom::sync::Arc;
use loom::thread;
use narrowboat_sync::Level;

/// A plugin may have 10 and its tenant 5. One thread asks for 8, which the tenant does not have; the other for 3, which
/// fit whatever becomes of that.
#[test]
fn what_fits_is_taken_while_what_does_not_is_refused() {
    loom::model(|| {
        let levels = Arc::new((Level::new(10), Level::new(5)));
        let other = {
            let levels = Arc::clone(&levels);
            thread::spawn(move || Level::take_all([&levels.0, &levels.1], 8))
        };
        assert_eq!(Level::take_all([&levels.0, &levels.1], 3), Ok(()), "it fits");
        assert!(other.join().unwrap().is_err(), "it does not fit its tenant");
        assert_eq!((levels.0.taken(), levels.1.taken()), (3, 3));
    });
}

#[test]
fn no_more_is_taken_than_there_is_and_all_of_it_can_be() {
    loom::model(|| {
        let level = Arc::new(Level::new(3));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let level = Arc::clone(&level);
                thread::spawn(move || Level::take_all([&level], 2))
            })
            .collect();
        let granted = takers.into_iter().filter_map(|taker| taker.join().unwrap().ok()).count();
        assert_eq!((granted, level.taken()), (1, 2));
        assert_eq!(Level::take_all([&level], 1), Ok(()));
    });
}

/// Two plugins of one tenant, which has room for one more.
#[test]
fn of_two_that_fit_only_one_at_a_time_one_is_taken() {
    loom::model(|| {
        let tenant = Arc::new(Level::new(1));
        let plugin = |tenant: Arc<Level>| {
            thread::spawn(move || {
                let own = Level::new(1);
                let taken = Level::take_all([&own, &tenant], 1).is_ok();
                assert_eq!(
                    own.taken(),
                    usize::from(taken),
                    "what is refused is given back at once"
                );
                taken
            })
        };
        let (one, other) = (plugin(Arc::clone(&tenant)), plugin(Arc::clone(&tenant)));
        assert!(one.join().unwrap() != other.join().unwrap());
        assert_eq!(tenant.taken(), 1);
    });
}

#[test]
fn what_is_given_back_meanwhile_may_be_taken_and_is_never_counted_twice() {
    loom::model(|| {
        let level = Arc::new(Level::new(2));
        level.add(2);
        let giver = {
            let level = Arc::clone(&level);
            thread::spawn(move || level.give(1))
        };
        let taken = Level::take_all([&level], 1).is_ok();
        giver.join().unwrap();
        assert_eq!(level.taken(), 1 + usize::from(taken));
        assert!(taken || level.has_room(1));
    });
}
