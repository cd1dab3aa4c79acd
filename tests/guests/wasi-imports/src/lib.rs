//! Calls the imports of WASI 0.2 as a text asks, and replies with their results.

use narrowboat_guest::http::Request;
use narrowboat_guest::keyvalue;
use narrowboat_guest::prelude::*;
use wasip2::cli::{environment, exit, stderr, stdin, stdout, terminal_stdout};
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens;
use wasip2::io::poll;
use wasip2::io::streams::{OutputStream, StreamError};
use wasip2::random::{insecure_seed, random};
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

#[derive(Serialize, Deserialize)]
struct WasiConsumer;

impl Consumer for WasiConsumer {
    type Message = NoMessage;

    fn connect(_: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        write(&stdout::get_stdout(), "connected\n").map_err(Error::msg)?;
        Ok(accept(WasiConsumer))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let result = run_command(word, rest).or_else(|| run_system_command(word, rest));
        let result = result.ok_or_else(|| Error::msg(format_args!("no command {word:?}")))?;
        Ok(connection.send(result.unwrap_or_else(|error| format!("error: {error}")))?)
    }
}

fn write(stream: &OutputStream, text: &str) -> Result<(), String> {
    stream.blocking_write_and_flush(text.as_bytes()).map_err(|error| format!("{error:?}"))
}

/// Waits for a time. `forever` waits for the largest time that a clock has.
fn sleep(milliseconds: &str) -> Result<String, String> {
    let pollable = match milliseconds {
        "forever" => monotonic_clock::subscribe_instant(u64::MAX),
        text => {
            let milliseconds: u64 = text.parse().map_err(|error| format!("{error}"))?;
            monotonic_clock::subscribe_duration(milliseconds * NANOSECONDS_PER_MILLISECOND)
        }
    };
    poll::poll(&[&pollable]);
    Ok("slept".to_owned())
}

/// Runs a command about the program and its time; `None` if there is no such command.
fn run_command(word: &str, rest: &str) -> Option<Result<String, String>> {
    Some(match word {
        // stdout TEXT, stderr TEXT: writes the text, in which `|` stands for a line end
        "stdout" => {
            write(&stdout::get_stdout(), &rest.replace('|', "\n")).map(|()| "ok".to_owned())
        }
        "stderr" => {
            write(&stderr::get_stderr(), &rest.replace('|', "\n")).map(|()| "ok".to_owned())
        }
        // flood N: writes lines of 1,000 bytes until N bytes are written
        "flood" => {
            let line = "x".repeat(999) + "\n";
            let count = rest.parse::<usize>().unwrap_or(0) / line.len();
            (0..count)
                .try_for_each(|_| write(&stdout::get_stdout(), &line))
                .map(|()| "ok".to_owned())
        }
        // zeroes N: writes N times 64 KiB of zero bytes
        "zeroes" => {
            let stream = stdout::get_stdout();
            let count = rest.parse().unwrap_or(0);
            let written = (0..count).try_for_each(|_| stream.write_zeroes(64 * 1024));
            written.map(|()| "ok".to_owned()).map_err(|error| format!("{error:?}"))
        }
        "stdin" => match stdin::get_stdin().blocking_read(1) {
            Err(StreamError::Closed) => Ok("closed".to_owned()),
            other => Err(format!("{other:?}")),
        },
        "terminal" => Ok(format!("{}", terminal_stdout::get_terminal_stdout().is_some())),
        "env" => {
            let (variables, arguments) =
                (environment::get_environment(), environment::get_arguments());
            Ok(format!("{} {} {:?}", variables.len(), arguments.len(), environment::initial_cwd()))
        }
        "exit" => {
            exit::exit(if rest == "0" { Ok(()) } else { Err(()) });
            Err("still here".to_owned())
        }
        // stderr-exit TEXT: writes the text to standard error and ends
        "stderr-exit" => {
            let _ = write(&stderr::get_stderr(), rest);
            exit::exit(Err(()));
            Err("still here".to_owned())
        }
        "sleep" => sleep(rest),
        // Nanoseconds
        "monotonic" => Ok(monotonic_clock::now().to_string()),
        "resolution" => Ok(monotonic_clock::resolution().to_string()),
        "wall" => {
            let now = wall_clock::now();
            Ok(format!("{} {}", now.seconds, now.nanoseconds))
        }
        _ => return None,
    })
}

/// Runs a command about the system beyond the program; `None` if there is no such command.
fn run_system_command(word: &str, rest: &str) -> Option<Result<String, String>> {
    let family = IpAddressFamily::Ipv4;
    Some(match word {
        "random" => {
            Ok(format!("{} {:?}", random::get_random_u64(), insecure_seed::insecure_seed()))
        }
        "folders" => Ok(preopens::get_directories().len().to_string()),
        "tcp" => socket_result(tcp_create_socket::create_tcp_socket(family)),
        "udp" => socket_result(udp_create_socket::create_udp_socket(family)),
        "resolve" => socket_result(ip_name_lookup::resolve_addresses(
            &instance_network::instance_network(),
            rest,
        )),
        // get KEY: reads a key of the bucket `b`
        "get" => keyvalue::open("b")
            .and_then(|bucket| bucket.get(rest))
            .map(|value| format!("{value:?}"))
            .map_err(|error| error.to_string()),
        "fetch" => Request::get(rest)
            .send()
            .map(|response| response.status.to_string())
            .map_err(|error| error.to_string()),
        _ => return None,
    })
}

fn socket_result<T>(
    result: Result<T, wasip2::sockets::network::ErrorCode>,
) -> Result<String, String> {
    result.map(|_| "ok".to_owned()).map_err(|code| code.name().to_owned())
}

narrowboat_guest::export!(WasiConsumer);
