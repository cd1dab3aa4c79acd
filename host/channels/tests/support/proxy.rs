//! A proxy before a test's Redis that cuts connections and holds answers back.

#![allow(dead_code, unreachable_pub, reason = "a module of tests, each of which uses some")]
#![allow(clippy::expect_used, reason = "in a test it is the assertion")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Takes connections on [`port`](Self::port) for a server on another.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether connections are cut as they come.
    is_away: bool,
    /// How many were.
    cut: usize,
    /// Answers are held back on connections on which this command was sent; on all if it is empty.
    held: Option<&'static str>,
    open: Vec<Arc<Pair>>,
    over: bool,
}

/// A connection: the client's side, the server's side and what the client has sent of late.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    sent: Mutex<String>,
}

impl Proxy {
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
        let shared = Arc::new(Shared { server, state: Mutex::default(), changed: Condvar::new() });
        let taking = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if taking.lock().over {
                    return;
                }
                taking.take(client);
            }
        });
        Self { port, shared }
    }

    /// Cuts all connections, and those to come.
    pub fn cut(&self) {
        self.shared.lock().is_away = true;
        self.cut_others("");
    }

    /// Connections are taken again.
    pub fn mend(&self) {
        self.shared.lock().is_away = false;
    }

    /// Cuts the connections on which a command was not sent; all if it is empty.
    pub fn cut_others(&self, command: &str) {
        for pair in &self.shared.lock().open {
            if command.is_empty() || !pair.has_sent(command) {
                pair.shut();
            }
        }
    }

    /// On how many connections a command has been sent, those that ended included.
    pub fn count(&self, command: &str) -> usize {
        self.shared.lock().open.iter().filter(|pair| pair.has_sent(command)).count()
    }

    /// How many connections were cut as they came.
    pub fn cut_count(&self) -> usize {
        self.shared.lock().cut
    }

    /// Holds answers back on connections on which a command was sent; on all if it is empty.
    pub fn hold(&self, command: &'static str) {
        self.shared.lock().held = Some(command);
    }

    /// What was held back goes on.
    pub fn release(&self) {
        self.shared.lock().held = None;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.cut();
        self.release();
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(self: &Arc<Self>, client: TcpStream) {
        let mut state = self.lock();
        if state.is_away {
            state.cut += 1;
            return;
        }
        drop(state);
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let pair = Arc::new(Pair { client, server, sent: Mutex::default() });
        self.lock().open.push(Arc::clone(&pair));
        let (shared, asked) = (Arc::clone(self), Arc::clone(&pair));
        thread::spawn(move || asked.carry_commands());
        thread::spawn(move || shared.carry_answers(&pair));
    }

    fn carry_answers(&self, pair: &Pair) {
        let mut bytes = [0; 65_536];
        while let Ok(len @ 1..) = (&pair.server).read(&mut bytes) {
            let mut state = self.lock();
            while state.held.is_some_and(|held| held.is_empty() || pair.has_sent(held)) {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            if (&pair.client).write_all(&bytes[..len]).is_err() {
                break;
            }
        }
        pair.shut();
    }
}

impl Pair {
    fn carry_commands(&self) {
        let mut bytes = [0; 65_536];
        while let Ok(len @ 1..) = (&self.client).read(&mut bytes) {
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            if sent.len() < 1 << 20 {
                sent.push_str(&String::from_utf8_lossy(&bytes[..len]));
            }
            drop(sent);
            if (&self.server).write_all(&bytes[..len]).is_err() {
                break;
            }
        }
        self.shut();
    }

    fn has_sent(&self, command: &str) -> bool {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).contains(command)
    }

    fn shut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}
