use super::*;

fn started_tracker() -> Arc<ClientTracker> {
    let clients = Arc::new(ClientTracker::default());
    clients.start();
    clients
}

fn connect(clients: &Arc<ClientTracker>, address: &str) -> ClientSlot {
    clients.add_migrated(address.parse().unwrap()).unwrap()
}

fn count(clients: u64, failed: u64) -> ClientCount {
    ClientCount { clients, failed }
}

#[test]
fn an_address_of_the_internet_is_one_client() {
    let clients = started_tracker();
    let _others = ["203.0.113.1", "203.0.113.2"].map(|other| connect(&clients, other));
    let mut attackers: Vec<_> = (0..100).map(|_| connect(&clients, "198.51.100.7")).collect();
    attackers.iter_mut().for_each(ClientSlot::record_fault);
    assert_eq!(clients.count(), count(3, 1));
}

#[test]
fn an_ipv6_network_is_one_client() {
    let clients = started_tracker();
    let _one = connect(&clients, "2001:db8:1:2::1");
    let _same = connect(&clients, "2001:db8:1:2:ffff::1");
    let _other = connect(&clients, "2001:db8:1:3::1");
    assert_eq!(clients.count(), count(2, 0));
}

#[test]
fn behind_a_proxy_a_client_that_reconnects_counts_once() {
    for proxy in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:192.168.0.1", "100.64.0.1"] {
        let clients = started_tracker();
        let _others: Vec<_> = (0..4).map(|_| connect(&clients, proxy)).collect();
        for _ in 0..100 {
            connect(&clients, proxy).record_fault();
        }
        assert_eq!(clients.count(), count(5, 1), "{proxy}");
    }
}

#[test]
fn behind_a_proxy_each_connection_at_once_is_a_client() {
    let clients = started_tracker();
    let mut all: Vec<_> = (0..4).map(|_| connect(&clients, "127.0.0.1")).collect();
    all.iter_mut().take(3).for_each(|client| {
        client.record_fault();
        client.record_fault();
    });
    assert_eq!(clients.count(), count(4, 3));
    drop(all);
    assert_eq!(clients.count(), count(4, 3));
}

#[test]
fn no_clients_are_kept_after_the_stop() {
    let clients = started_tracker();
    let mut client = connect(&clients, "127.0.0.1");
    clients.stop();
    client.record_fault();
    drop(client);
    assert_eq!(clients.count(), count(0, 0));
}

#[test]
fn events_after_the_stop_are_not_kept() {
    let clients = started_tracker();
    clients.stop();
    let address = "127.0.0.1".parse().unwrap();
    assert!(clients.add_migrated(address).is_none());
    assert!(clients.add_accepted(address).is_none());
    clients.record_rejected(address, true);
    assert!(clients.lock().addresses.is_empty());
}

#[test]
fn behind_a_proxy_each_handshake_that_fails_counts_until_one_is_accepted() {
    let clients = started_tracker();
    let proxy = "127.0.0.1".parse().unwrap();
    let _moved = connect(&clients, "127.0.0.1");
    for _ in 0..100 {
        clients.record_rejected(proxy, true);
    }
    assert_eq!(clients.count(), count(101, 100));
    let first = clients.add_accepted(proxy).unwrap();
    assert_eq!(clients.count(), count(2, 1));
    for _ in 0..100 {
        clients.record_rejected(proxy, true);
    }
    assert_eq!(clients.count(), count(3, 2));
    drop(first);
    clients.record_rejected(proxy, true);
    assert_eq!(clients.count(), count(3, 2));
}

#[test]
fn an_address_of_the_internet_whose_handshakes_fail_is_one_client() {
    let clients = started_tracker();
    for address in ["203.0.113.1", "203.0.113.2", "2001:db8:1:2::1", "2001:db8:1:2::2"] {
        let address = address.parse().unwrap();
        (0..10).for_each(|_| clients.record_rejected(address, true));
    }
    assert_eq!(clients.count(), count(3, 3));
    let accepted = clients.add_accepted("203.0.113.1".parse().unwrap());
    drop(accepted);
    assert_eq!(clients.count(), count(3, 3));
}

#[test]
fn a_rejected_client_counts_as_a_client_with_an_event() {
    let clients = started_tracker();
    for address in ["127.0.0.1", "203.0.113.1"] {
        let address = address.parse().unwrap();
        (0..10).for_each(|_| clients.record_rejected(address, false));
    }
    assert_eq!(clients.count(), count(2, 0));
}

#[test]
fn the_total_is_the_sum_over_all_addresses() {
    let clients = started_tracker();
    let addresses = ["127.0.0.1", "203.0.113.1", "fd00::1", "2001:db8::1"];
    let mut held = Vec::new();
    for step in 0..200_usize {
        let address = addresses[step % addresses.len()].parse().unwrap();
        match step * 7 % 11 {
            0..=2 => clients.record_rejected(address, true),
            3 => clients.record_rejected(address, false),
            4 => held.extend(clients.add_accepted(address)),
            5 => drop(held.pop()),
            6 => held.iter_mut().for_each(ClientSlot::record_fault),
            _ => held.extend(clients.add_migrated(address)),
        }
        let table = clients.lock();
        let each = table.addresses.iter().map(|(address, clients)| clients.count(*address));
        let sum = each.fold(count(0, 0), |sum, one| {
            count(sum.clients + one.clients, sum.failed + one.failed)
        });
        assert_eq!(table.total, sum, "after step {step}");
    }
}
