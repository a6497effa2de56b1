//! Headers that concern one connection, not the request: none of them crosses the proxy.
//!
//! The main functions are [`strip_hop_by_hop`] and [`upgrade`], which returns the one header that is set again on the other side.

use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};

/// Removes the headers that apply to one connection only, by their name or because `Connection` lists them (RFC 9110 §7.6.1).
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    const HOP_BY_HOP: [&str; 9] = [
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authenticate",
        "proxy-authorization",
    ];
    if headers.contains_key(TRANSFER_ENCODING) {
        // RFC 9112 §6.3: the transfer coding overrides `Content-Length`, which must not be forwarded then.
        headers.remove(CONTENT_LENGTH);
    }
    let named: Vec<String> = listed(headers, CONNECTION.as_str()).map(str::to_ascii_lowercase).collect();
    remove(headers, |name| {
        HOP_BY_HOP.contains(&name) || named.iter().any(|other| other == name)
    });
}

/// Returns the protocol that the caller wants to switch to (RFC 9110 §7.8), if it is one that an API server streams with.
/// Others are ignored, as any server may do: after an upgrade to HTTP/2 (`h2c`) the caller would talk to the API
/// server with the proxy's own authority.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = listed(headers, CONNECTION.as_str()).any(|option| option.eq_ignore_ascii_case("upgrade"));
    let mut protocols = headers.get_all(UPGRADE).into_iter().filter(|_| wanted);
    let (protocol, more) = (protocols.next()?, protocols.next());
    let streams = ["websocket", "spdy/3.1"]
        .iter()
        .any(|known| protocol.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
    (streams && more.is_none()).then(|| protocol.clone())
}

/// Returns the members of a list header, from all its lines.
pub(super) fn listed<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
}

/// Removes every header whose name, in lower case, is selected by `which`.
pub(super) fn remove(headers: &mut HeaderMap, which: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| which(name.as_str())).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_connection_names_does_not_cross_nor_does_a_length_beside_a_coding() {
        let mut all = headers(&[
            ("connection", "X-Mine, close"),
            ("connection", "x-other"),
            ("x-mine", "1"),
            ("x-other", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "3"),
            ("x-kept", "1"),
        ]);
        strip_hop_by_hop(&mut all);
        assert_eq!(all, headers(&[("x-kept", "1")]));
    }

    #[test]
    fn only_the_protocols_of_streams_are_upgraded_to() {
        let wanted = |connection, protocol| upgrade(&headers(&[("connection", connection), ("upgrade", protocol)])).is_some();
        assert!(wanted("Upgrade", "SPDY/3.1") && wanted("keep-alive, upgrade", "websocket"));
        assert!(!wanted("close", "websocket") && !wanted("Upgrade, HTTP2-Settings", "h2c") && !wanted("Upgrade", "websocket, h2c"));
        assert!(upgrade(&headers(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")])).is_none());
    }
}
