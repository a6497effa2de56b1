//! A connection through a proxy: CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, RFC 1929), as Go's `net/http` does it.
//!
//! The main functions are [`connect`] and [`socks5`]. They are written out, since a library's errors would not tell who refused, and why.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::dial::Duplex;
use super::failure::ProxyFailure;
use super::proxy::Proxy;
use super::route::authority;

/// Asks an HTTP proxy for a tunnel to `host` and `port`.
pub(super) async fn connect(proxy: &Proxy, socket: Box<dyn Duplex>, host: &str, port: u16) -> Result<Box<dyn Duplex>, ProxyFailure> {
    let target = authority(host, port);
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|_| ProxyFailure::Protocol)?;
    // It ends with the tunnel.
    let _driving = tokio::spawn(connection.with_upgrades());
    let mut request = hyper::Request::builder()
        .method(hyper::Method::CONNECT)
        .uri(&target)
        .header("Host", &target)
        .header("User-Agent", "authlab");
    if let Some((user, password)) = &proxy.user {
        let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
        request = request.header("Proxy-Authorization", format!("Basic {pair}"));
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|_| ProxyFailure::Protocol)?;
    let answer = sender.send_request(request).await.map_err(|_| ProxyFailure::Protocol)?;
    let status = answer.status();
    if status != hyper::StatusCode::OK {
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let reason = answer.extensions().get::<hyper::ext::ReasonPhrase>();
        let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
        return Err(ProxyFailure::Status {
            status: status.as_u16(),
            reason: reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned()),
            server: ["proxy-agent", "server", "via"].into_iter().find_map(header),
        });
    }
    let tunnel = hyper::upgrade::on(answer).await.map_err(|_| ProxyFailure::Protocol)?;
    Ok(Box::new(TokioIo::new(tunnel)))
}

/// Asks a SOCKS5 proxy for a connection to `host` and `port`. The proxy looks the name up.
pub(super) async fn socks5(proxy: &Proxy, mut socket: Box<dyn Duplex>, host: &str, port: u16) -> Result<Box<dyn Duplex>, ProxyFailure> {
    const VERSION: u8 = 5;
    const PASSWORD: u8 = 2;
    let io = |_: std::io::Error| ProxyFailure::Protocol;
    let methods: &[u8] = if proxy.user.is_some() {
        &[VERSION, 2, 0, PASSWORD]
    } else {
        &[VERSION, 1, 0]
    };
    socket.write_all(methods).await.map_err(io)?;
    let mut chosen = [0; 2];
    socket.read_exact(&mut chosen).await.map_err(io)?;
    match chosen {
        [VERSION, 0] => {}
        [VERSION, PASSWORD] => {
            let Some((user, password)) = &proxy.user else {
                return Err(ProxyFailure::NoMethod);
            };
            let (Ok(user_size @ 1..), Ok(password_size)) = (u8::try_from(user.len()), u8::try_from(password.expose().len())) else {
                return Err(ProxyFailure::Credentials);
            };
            let mut said = vec![1, user_size];
            said.extend(user.as_bytes());
            said.push(password_size);
            said.extend(password.expose().as_bytes());
            socket.write_all(&said).await.map_err(io)?;
            let mut answer = [0; 2];
            socket.read_exact(&mut answer).await.map_err(|_| ProxyFailure::Credentials)?;
            if answer[1] != 0 {
                return Err(ProxyFailure::Credentials);
            }
        }
        [VERSION, _] => return Err(ProxyFailure::NoMethod),
        _ => return Err(ProxyFailure::Protocol),
    }
    let mut request = vec![VERSION, 1, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend(address.octets());
        }
        Err(_) => {
            request.extend([3, u8::try_from(host.len()).map_err(|_| ProxyFailure::Protocol)?]);
            request.extend(host.as_bytes());
        }
    }
    request.extend(port.to_be_bytes());
    socket.write_all(&request).await.map_err(io)?;
    let mut head = [0; 4];
    socket.read_exact(&mut head).await.map_err(io)?;
    match head {
        [VERSION, 0, ..] => {}
        [VERSION, code, ..] => return Err(ProxyFailure::Reply(code)),
        _ => return Err(ProxyFailure::Protocol),
    }
    let size = match head[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(socket.read_u8().await.map_err(io)?),
        _ => return Err(ProxyFailure::Protocol),
    };
    let mut bound = vec![0; size + 2];
    socket.read_exact(&mut bound).await.map_err(io)?;
    Ok(socket)
}
