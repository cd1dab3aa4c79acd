//! A Redis server for one test.

#![allow(unreachable_pub, reason = "a module of several tests")]
#![allow(clippy::expect_used, reason = "in a test it is the assertion")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server without persistence on a free port. Dropping it stops the server.
pub struct RedisServer {
    process: Child,
    pub port: u16,
}

impl RedisServer {
    /// Starts `redis-server`, or `valkey-server` if that is installed, and waits until it replies.
    pub fn start() -> Self {
        let port = free_port();
        let process = ["redis-server", "valkey-server"].iter().find_map(|program| {
            Command::new(program)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
                .args(["--save", "", "--appendonly", "no"])
                .stdout(Stdio::null())
                .spawn()
                .ok()
        });
        let process =
            process.expect("redis-server is not installed: run .ci/redis.sh to install it");
        let server = Self { process, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !server.is_ready() {
            assert!(Instant::now() < deadline, "redis-server does not reply");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn is_ready(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        let mut reply = [0; 5];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut reply).is_ok()
            && reply == *b"+PONG"
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its number").port()
}
