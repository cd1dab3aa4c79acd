//! A proxy before a test's Redis server that cuts connections and holds back replies.

#![allow(dead_code, unreachable_pub, reason = "a module of tests, each of which uses some")]
#![allow(clippy::expect_used, reason = "in a test it is the assertion")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Accepts connections on [`port`](Self::port) and forwards them to a server.
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
    /// Whether new connections are cut.
    is_away: bool,
    /// The number of new connections that were cut.
    cut: usize,
    /// The command on whose connections replies are held back. If it is empty, they are on all connections.
    held: Option<&'static str>,
    open: Vec<Arc<Pair>>,
    is_over: bool,
}

/// A connection: the client's side, the server's side and the commands that the client has sent.
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
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.lock().is_over {
                    return;
                }
                accepting.accept(client);
            }
        });
        Self { port, shared }
    }

    /// Cuts all connections, and new ones.
    pub fn cut(&self) {
        self.shared.lock().is_away = true;
        self.cut_others("");
    }

    /// Accepts connections again.
    pub fn mend(&self) {
        self.shared.lock().is_away = false;
    }

    /// Cuts the connections on which a command was not sent. If it is empty, cuts all.
    pub fn cut_others(&self, command: &str) {
        for pair in &self.shared.lock().open {
            if command.is_empty() || !pair.has_sent(command) {
                pair.shut();
            }
        }
    }

    /// Returns the number of connections on which a command was sent, including closed ones.
    pub fn count(&self, command: &str) -> usize {
        self.shared.lock().open.iter().filter(|pair| pair.has_sent(command)).count()
    }

    /// Returns the number of new connections that were cut.
    pub fn cut_count(&self) -> usize {
        self.shared.lock().cut
    }

    /// Holds back replies on connections on which a command was sent. If it is empty, on all.
    pub fn hold(&self, command: &'static str) {
        self.shared.lock().held = Some(command);
    }

    /// Forwards the replies that were held back.
    pub fn release(&self) {
        self.shared.lock().held = None;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.cut();
        self.release();
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, client: TcpStream) {
        let mut state = self.lock();
        if state.is_away {
            state.cut += 1;
            return;
        }
        drop(state);
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let pair = Arc::new(Pair { client, server, sent: Mutex::default() });
        self.lock().open.push(Arc::clone(&pair));
        let (shared, commands) = (Arc::clone(self), Arc::clone(&pair));
        thread::spawn(move || commands.forward_commands());
        thread::spawn(move || shared.forward_replies(&pair));
    }

    fn forward_replies(&self, pair: &Pair) {
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
    fn forward_commands(&self) {
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
