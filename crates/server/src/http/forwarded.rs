//! Where a request comes from when it came through proxies: `X-Forwarded-For`, and `Forwarded` of RFC 7239.
//!
//! Each proxy adds, at the right, the address that it was connected from. So the chain is walked from the right, from the one
//! address that is certain: who is trusted is believed about the next, and the first who is not trusted is the client. What is
//! further left is hearsay, for the client wrote it.
//!
//! Where both headers are there, one of them may be the client's own, passed on by a proxy that does not know it. So they count
//! only where they come to the same address. Otherwise neither does, and the request is that of the proxy which sent it.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::config::TrustedProxies;

/// The header that most proxies write.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of a request that a trusted proxy sent.
#[must_use]
pub fn client(proxy: IpAddr, headers: &HeaderMap, trusted: &TrustedProxies) -> IpAddr {
    let told = |name, node: fn(&str) -> Option<IpAddr>| {
        headers.contains_key(&name).then(|| walk(proxy, entries(headers, &name).map(|entry| node(entry?)), trusted))
    };
    match (told(X_FORWARDED_FOR, node), told(header::FORWARDED, element)) {
        (Some(one), Some(other)) if one != other => proxy,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => proxy,
    }
}

/// Whether a request says that it was forwarded.
#[must_use]
pub fn is_told(headers: &HeaderMap) -> bool {
    headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED)
}

/// From the right to the first address that is not trusted. What cannot be read ends the walk at the hop that vouched for it.
fn walk(proxy: IpAddr, entries: impl Iterator<Item = Option<IpAddr>>, trusted: &TrustedProxies) -> IpAddr {
    let mut hop = proxy;
    for entry in entries {
        let Some(address) = entry else { return hop };
        hop = address;
        if !trusted.contain(hop) {
            return hop;
        }
    }
    hop
}

/// The entries of all lines of a header from the right; nothing for one that is no text.
///
/// Commas within quotes cut too: else a quote that a client leaves open would swallow what the proxy adds.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<&'a str>> {
    let lines = headers.get_all(name).iter().rev();
    lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')).map(|entry| std::str::from_utf8(entry).ok())
}

/// The address in the `for=` of one element of `Forwarded`.
fn element(text: &str) -> Option<IpAddr> {
    let mut found = None;
    for pair in text.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        let value = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => value,
        };
        if value.contains(['"', '\\']) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    node(found?)
}

/// An address, with or without a port. `unknown`, names, hidden identifiers and addresses with a zone are none.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let has_end = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return has_end.then(|| address.parse::<Ipv6Addr>().ok()).flatten().map(|v6| IpAddr::V6(v6).to_canonical());
    }
    let address = match text.split_once(':') {
        // A second colon makes it IPv6, which has a port only behind brackets.
        Some((address, port)) if is_port(port) && !address.is_empty() && address.contains('.') => address,
        _ => text,
    };
    address.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// A number, or a hidden one of RFC 7239.
fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() || text.strip_prefix('_').is_some_and(|rest| !rest.is_empty() && !rest.contains(':'))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    fn trusted() -> TrustedProxies {
        ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect(network)).into_iter().collect()
    }

    fn found<'a>(lines: impl IntoIterator<Item = (&'static str, &'a [u8])>) -> IpAddr {
        let mut headers = HeaderMap::new();
        for (name, line) in lines {
            headers.append(name, HeaderValue::from_bytes(line).expect("a header"));
        }
        client(ip(PROXY), &headers, &trusted())
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_the_client() {
        let cases: &[(&[&str], &str)] = &[
            (&[], PROXY),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
            (&["203.0.113.9, 192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            // Several lines are one list.
            (&["203.0.113.9", "192.0.2.1", "10.0.0.2,10.0.0.3"], "192.0.2.1"),
            (&["192.0.2.1:5678"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:80"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
            (&["[::ffff:192.0.2.1]:80"], "192.0.2.1"),
            (&["192.0.2.1, ::ffff:10.0.0.2, fd00::7"], "192.0.2.1"),
            // All trusted: the left-most.
            (&["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
            // What cannot be read ends it at who vouched for it.
            (&["192.0.2.1, unknown"], PROXY),
            (&["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1, 300.0.0.1, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1,, 10.0.0.2"], "10.0.0.2"),
            (&["192.0.2.1,"], PROXY),
            (&[""], PROXY),
            (&["192.0.2.1", ""], PROXY),
            (&["fe80::1%eth0"], PROXY),
            (&["[2001:db8::1"], PROXY),
            (&["[2001:db8::1]x"], PROXY),
            (&["192.0.2.1:"], PROXY),
            (&["192.0.2.1:70000"], PROXY),
            (&["\"192.0.2.1\""], PROXY),
            (&["unix:"], PROXY),
        ];
        for (lines, client) in cases {
            let found = found(lines.iter().map(|line| ("x-forwarded-for", line.as_bytes())));
            assert_eq!(found, ip(client), "{lines:?}");
        }
        assert_eq!(found([("x-forwarded-for", b"192.0.2.1, \xff".as_slice())]), ip(PROXY));
    }

    #[test]
    fn forwarded_is_understood_the_same_way() {
        let cases: &[(&[&str], &str)] = &[
            (&["for=192.0.2.1"], "192.0.2.1"),
            (&["For=\"192.0.2.1:5678\";proto=https;by=10.0.0.1"], "192.0.2.1"),
            (&["proto=https; for=\"[2001:db8::1]:80\""], "2001:db8::1"),
            (&["for=\"[2001:db8::1]:_port\""], "2001:db8::1"),
            (&["for=203.0.113.9, for=192.0.2.1", "for=10.0.0.2"], "192.0.2.1"),
            (&["for=192.0.2.1, for=unknown"], PROXY),
            (&["for=192.0.2.1, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
            (&["for=192.0.2.1, proto=https"], PROXY),
            (&["for=192.0.2.1;for=203.0.113.9"], PROXY),
            (&["for=\"192.0.2.1"], PROXY),
            (&["for=\"192.0.2.\\1\""], PROXY),
            (&["192.0.2.1"], PROXY),
            (&[""], PROXY),
            // A quote that a client leaves open swallows nothing.
            (&["for=\"203.0.113.9, for=192.0.2.1"], "192.0.2.1"),
            (&["host=\"a;b, for=192.0.2.1;proto=http"], "192.0.2.1"),
        ];
        for (lines, client) in cases {
            let found = found(lines.iter().map(|line| ("forwarded", line.as_bytes())));
            assert_eq!(found, ip(client), "{lines:?}");
        }
    }

    #[test]
    fn two_headers_count_only_where_they_agree() {
        let both =
            |x: &str, forwarded: &str| found([("x-forwarded-for", x.as_bytes()), ("forwarded", forwarded.as_bytes())]);
        assert_eq!(both("192.0.2.1", "for=192.0.2.1"), ip("192.0.2.1"));
        assert_eq!(both("203.0.113.9, 192.0.2.1", "for=\"192.0.2.1:80\";proto=https, for=10.0.0.2"), ip("192.0.2.1"));
        // Whichever of them the client made, it gets neither the address it named nor one of its own.
        assert_eq!(both("192.0.2.1", "for=203.0.113.9"), ip(PROXY));
        assert_eq!(both("203.0.113.9", "for=192.0.2.1"), ip(PROXY));
        assert_eq!(both("192.0.2.1", "nonsense"), ip(PROXY));
    }

    /// An entry, and what it means: an address, or nothing.
    fn entry() -> impl Strategy<Value = (String, Option<IpAddr>)> {
        let address = prop_oneof![
            any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([10, a, b, c])),
            any::<[u8; 3]>().prop_map(|[a, b, c]| IpAddr::from([192, a, b, c])),
            any::<[u16; 7]>().prop_map(|[a, b, c, d, e, f, g]| IpAddr::from([0xfd00, a, b, c, d, e, f, g])),
            any::<[u16; 7]>().prop_map(|[a, b, c, d, e, f, g]| IpAddr::from([0x2001, a, b, c, d, e, f, g])),
        ];
        let written = (address, any::<u16>(), 0..3).prop_map(|(address, port, form)| {
            let text = match (address, form) {
                (IpAddr::V4(v4), 0) => v4.to_string(),
                (IpAddr::V4(v4), 1) => format!(" {v4}:{port}"),
                (IpAddr::V4(v4), _) => format!("[{}]", v4.to_ipv6_mapped()),
                (IpAddr::V6(v6), 0) => format!("{v6} "),
                (IpAddr::V6(v6), 1) => format!("[{v6}]:{port}"),
                (IpAddr::V6(v6), _) => format!(" [{v6}]"),
            };
            (text, Some(address))
        });
        let garbage = "[g-z_%\" ;=:]{0,12}".prop_filter("`::` is an address", |text| node(text).is_none());
        let garbage = garbage.prop_map(|text| (text, None));
        prop_oneof![5 => written, 1 => garbage]
    }

    proptest! {
        #[test]
        fn nothing_to_the_left_of_a_stranger_or_of_garbage_is_ever_found(
            lines in prop::collection::vec(prop::collection::vec(entry(), 1..5), 0..4),
        ) {
            let trusted = trusted();
            let texts: Vec<String> = lines
                .iter()
                .map(|line| line.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(","))
                .collect();
            let chain: Vec<Option<IpAddr>> = lines.iter().flatten().map(|(_, meaning)| *meaning).collect();
            // Behind the last entry that is not a trusted address there are only trusted ones.
            let last = chain.iter().rposition(|meaning| meaning.is_none_or(|address| !trusted.contain(address)));
            let allowed = &chain[last.unwrap_or(0)..];
            let found = found(texts.iter().map(|text| ("x-forwarded-for", text.as_bytes())));
            let first = allowed.iter().flatten().next().copied();
            prop_assert_eq!(found, first.unwrap_or(ip(PROXY)), "{:?}", texts);
        }

        #[test]
        fn no_header_can_crash_it(
            lines in prop::collection::vec((prop::bool::ANY, prop::collection::vec(any::<u8>(), 0..60)), 0..4),
        ) {
            let mut headers = HeaderMap::new();
            for (is_x, bytes) in lines {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    headers.append(if is_x { X_FORWARDED_FOR } else { header::FORWARDED }, value);
                }
            }
            // Whatever it comes to is right, as long as it comes to something.
            let _some_address = client(ip(PROXY), &headers, &trusted());
        }

        #[test]
        fn no_text_can_crash_it(text in "[0-9a-f.:\\[\\]\",;=for_ ]{0,40}") {
            found([("x-forwarded-for", text.as_bytes()), ("forwarded", text.as_bytes())]);
        }
    }
}
