//! As much of HTTP as a witness needs: one POST, one answer, no TLS.
//!
//! Its invariant: an answer is bounded in time and size, whoever gives it.

use std::fmt;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The longest answer that is read.
const LARGEST: usize = 1 << 16;

/// `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    host: String,
    port: u16,
    path: String,
}

impl Url {
    /// From its text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("https://") {
            return Err("https is not spoken; what is exchanged is signed: use http, or a command"
                .to_owned());
        }
        let wrong = || format!("{text} is no http:// URL");
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (authority, 80),
        };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.contains('@') || !plain(host) || !plain(path) {
            return Err(wrong());
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { host: host.to_owned(), port, path })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}", self.host, self.port)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

/// An answer: its status and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 for what succeeded.
    pub status: u16,
    /// The text.
    pub body: String,
}

impl Answer {
    /// From its bytes, of a server that closes the connection after it.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ');
        if !words.next()?.starts_with("HTTP/1.") {
            return None;
        }
        let status = words.next()?.parse().ok()?;
        let length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let body = match length {
            Some((_, length)) => body.get(..length.trim().parse().ok()?)?,
            None => body,
        };
        Some(Self { status, body: body.to_owned() })
    }
}

/// Posts `body` to `name` below the URL.
///
/// # Errors
/// Why there is no answer.
pub fn post(url: &Url, name: &str, body: &str, until: Instant) -> Result<Answer, String> {
    let left = || {
        let left = until.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) { Err("no answer in time".to_owned()) } else { Ok(left) }
    };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => {
            format!("{url}: no answer in time")
        }
        _ => format!("{url}: {error}"),
    };
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = (host, url.port).to_socket_addrs().map_err(failed)?;
    let mut connected = Err(format!("{url}: the host has no address"));
    for address in addresses {
        connected = TcpStream::connect_timeout(&address, left()?).map_err(failed);
        if connected.is_ok() {
            break;
        }
    }
    let mut stream = connected?;
    let path = if url.path.is_empty() { String::new() } else { format!("/{}", url.path) };
    // 1.0: the answer comes in one piece, and its end is the connection's.
    let request = format!(
        "POST {path}/{name} HTTP/1.0\r\nHost: {}:{}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        url.host,
        url.port,
        body.len()
    );
    stream.set_write_timeout(Some(left()?)).map_err(failed)?;
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left()?)).map_err(failed)?;
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
        if answer.len() > LARGEST {
            return Err(format!("{url}: the answer is too long"));
        }
    }
    Answer::parse(&answer).ok_or_else(|| format!("{url}: the answer is not HTTP"))
}
