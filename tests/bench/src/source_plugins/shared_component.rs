//! A thousand tenants with one component in Rust, before their first connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, ensure};
use narrowboat_core::manifest::Language;

use super::source_figure::SourceFigure;
use super::source_host::{SourceHost, SourceHosts};
use crate::memory::{anonymous_bytes, resident_bytes};

/// The number of tenants.
const TENANTS: usize = 1_000;

/// The bytes of a megabyte in the aims.
const MEGABYTE: f64 = 1e6;

/// The admin API of the host under measurement.
struct AdminClient {
    address: SocketAddr,
    token_file: PathBuf,
}

/// The answer to a request.
struct TimedAnswer {
    milliseconds: f64,
    bytes: usize,
}

/// Starts a host, reloads it and asks for its status and metrics, once for all languages.
pub(super) fn measure(hosts: &SourceHosts<'_>, rounds: usize) -> anyhow::Result<Vec<SourceFigure>> {
    if hosts.language().language != Language::Python {
        return Ok(Vec::new());
    }
    let (mut host, admin) = set_up(hosts)?;
    let start = |host: &SourceHost<'_>| -> anyhow::Result<_> {
        let began = Instant::now();
        let server = host.start("serve")?;
        Ok((server, began.elapsed().as_secs_f64()))
    };
    // The first start compiles the component and stores the version of each tenant.
    let (first, first_start) = start(&host)?;
    drop(first);
    let (server, started) = start(&host)?;
    let resident = resident_bytes(server.pid())? as f64 / MEGABYTE;
    let anonymous = anonymous_bytes(server.pid())? as f64 / MEGABYTE;
    let mut figures = vec![
        figure("the first start, to listening", "s", [first_start])?,
        figure("a later start, to listening", "s", [started])?.at_most(1.0),
        figure("resident memory of the host", "MB", [resident])?.at_most(60.0),
        figure("anonymous memory of the host", "MB", [anonymous])?,
    ];
    for path in ["/v1/status", "/metrics"] {
        let answers = (0..rounds).map(|_| admin.ask("GET", path));
        let answers: Vec<_> = answers.collect::<Result<_, _>>()?;
        let times = answers.iter().map(|answer| answer.milliseconds);
        let sizes = answers.iter().map(|answer| answer.bytes as f64 / MEGABYTE);
        figures.push(figure(&format!("time of {path}"), "ms", times)?.at_most(100.0));
        figures.push(figure(&format!("size of {path}"), "MB", sizes)?.at_most(2.0));
    }
    let mut reloads = Vec::new();
    for round in 0..rounds {
        add_tenant(&mut host, TENANTS + round);
        host.write_config()?;
        reloads.push(admin.ask("POST", "/v1/reload")?.milliseconds);
    }
    figures.push(figure("a reload that adds a tenant", "ms", reloads)?.at_most(100.0));
    Ok(figures)
}

/// A figure whose best round counts.
fn figure(
    text: &str,
    unit: &'static str,
    rounds: impl IntoIterator<Item = f64>,
) -> anyhow::Result<SourceFigure> {
    let title = format!("for comparison, {TENANTS} tenants with one component in Rust, {text}");
    SourceFigure::best(title, unit, rounds)
}

/// Sets up a host that reloads only when it is told to.
fn set_up<'a>(hosts: &'a SourceHosts<'a>) -> anyhow::Result<(SourceHost<'a>, AdminClient)> {
    let mut host = hosts.set_up("shared-component", "watch = \"off\"")?;
    // Another process could take the port before the host does, which then says so.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let token_file = host.folder().join("admin.token");
    host.configure(&format!("[admin]\nlisten = \"{address}\"\ntoken_file = \"admin.token\"\n"));
    let component = std::path::absolute(hosts.site().component_path("echo"))?;
    std::fs::copy(&component, host.folder().join("echo.wasm"))
        .with_context(|| component.display().to_string())?;
    for number in 0..TENANTS {
        add_tenant(&mut host, number);
    }
    Ok((host, AdminClient { address, token_file }))
}

fn add_tenant(host: &mut SourceHost<'_>, number: usize) {
    host.configure(&format!(
        "[tenants.t{number}]\npath = \"/t{number}\"\n\
         [tenants.t{number}.plugins.echo]\ncomponent = \"echo.wasm\"\ngrants = \"all\"\n\
         [[tenants.t{number}.routes]]\npath = \"/\"\nplugin = \"echo\"\n"
    ));
}

impl AdminClient {
    /// Sends a request, and reads the answer to its end.
    fn ask(&self, method: &str, path: &str) -> anyhow::Result<TimedAnswer> {
        let token = std::fs::read_to_string(&self.token_file)
            .with_context(|| self.token_file.display().to_string())?;
        let (address, token) = (self.address, token.trim());
        let began = Instant::now();
        let mut stream = TcpStream::connect(address)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let milliseconds = began.elapsed().as_secs_f64() * 1_000.0;
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        Ok(TimedAnswer { milliseconds, bytes: answer.len() })
    }
}
