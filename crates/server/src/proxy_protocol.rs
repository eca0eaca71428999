//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says of its client, before anything of the client's.
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>
//!
//! A header is read to its last byte and not one further: what follows is TLS, or HTTP. How long it is stands in its first 16 bytes
//! (version 2), or it ends with its line (version 1). Taking it apart is `proxy-header`'s.

use std::{io, net::IpAddr};

use proxy_header::{ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with: bytes that no protocol of text begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What version 1 begins with.
const NAME: &[u8] = b"PROXY ";

/// Longest header of version 1 with its line end, by its specification.
const V1_BYTES: usize = 107;

/// The part of a header of version 2 that says how long the rest is.
const V2_HEAD_BYTES: usize = 16;

/// Longest header of version 2. Two addresses take 52 bytes; what proxies add about TLS and their own names, which is skipped, is a
/// few hundred. The specification allows 64 KiB, for which nobody has a use before a request.
const V2_BYTES: usize = 2_048;

/// Whom a proxy speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client at this address.
    Client(IpAddr),
    /// For itself, as its health checks do (`LOCAL`), or for somebody whom it cannot name (`UNKNOWN`, a UNIX socket).
    Unnamed,
}

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Something else came, or a header that breaks its specification.
    #[error("what came is no PROXY header")]
    Malformed,
    /// It says, or shows, that it is longer than what is read.
    #[error("the PROXY header is too long")]
    TooLong,
    /// The connection ended before it was whole.
    #[error("the connection ended within the PROXY header: {0}")]
    Cut(#[from] io::Error),
}

/// Reads a header. The caller sets the deadline.
///
/// # Errors
/// No header came.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Origin, Refused> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        read_v2(stream, &mut header).await?;
    } else if header.starts_with(NAME) {
        read_v1(stream, &mut header).await?;
    } else {
        return Err(Refused::Malformed);
    }
    parse(&header)
}

async fn read_v2(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> Result<(), Refused> {
    header.resize(V2_HEAD_BYTES, 0);
    stream.read_exact(&mut header[SIGNATURE.len()..]).await?;
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if V2_HEAD_BYTES + rest > V2_BYTES {
        return Err(Refused::TooLong);
    }
    header.resize(V2_HEAD_BYTES + rest, 0);
    stream.read_exact(&mut header[V2_HEAD_BYTES..]).await?;
    Ok(())
}

/// Byte by byte: only its end says how long it is, and what is read beyond that cannot be given back.
async fn read_v1(stream: &mut (impl AsyncRead + Unpin), header: &mut Vec<u8>) -> Result<(), Refused> {
    while !header.ends_with(b"\n") {
        if header.len() == V1_BYTES {
            return Err(Refused::TooLong);
        }
        header.push(stream.read_u8().await?);
    }
    Ok(())
}

/// Takes a whole header apart.
fn parse(header: &[u8]) -> Result<Origin, Refused> {
    // What proxies add behind the addresses is skipped.
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(header, config) {
        Ok((parsed, length)) if length == header.len() => {
            Ok(parsed.proxied_address().map_or(Origin::Unnamed, |address| Origin::Client(address.source.ip())))
        }
        Ok(_) | Err(_) => Err(Refused::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    /// A header of version 2: what stands behind the signature, with the length of what follows it.
    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    fn v4_addresses() -> Vec<u8> {
        [&[192, 0, 2, 1, 10, 0, 0, 1][..], &[0x12, 0x34, 0x01, 0xBB]].concat()
    }

    fn v6_addresses() -> Vec<u8> {
        let mut addresses = vec![0; 36];
        addresses[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        addresses[15] = 7;
        addresses
    }

    /// What is made of these bytes, and what is left of them.
    async fn found(mut bytes: &[u8]) -> (Result<Origin, &'static str>, Vec<u8>) {
        let origin = read(&mut bytes).await.map_err(|refused| match refused {
            Refused::Malformed => "malformed",
            Refused::TooLong => "too long",
            Refused::Cut(_) => "cut",
        });
        (origin, bytes.to_vec())
    }

    #[tokio::test]
    async fn a_header_names_the_client_and_what_follows_is_left() {
        let tlvs = [&v4_addresses()[..], &[0x01, 0x00, 0x02, b'h', b'2', 0xE0, 0x00, 0x00]].concat();
        let unix = [0; 216];
        let named = [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 443\r\n".to_vec(), "192.0.2.1"),
            (b"PROXY TCP6 2001:db8::7 ::1 1 65535\r\n".to_vec(), "2001:db8::7"),
            (v2(0x21, 0x11, &v4_addresses()), "192.0.2.1"),
            (v2(0x21, 0x21, &v6_addresses()), "2001:db8::7"),
            (v2(0x21, 0x11, &tlvs), "192.0.2.1"),
        ];
        for (header, client) in named {
            let (origin, left) = found(&[&header, &b"GET / HTTP/1.1\r\n"[..]].concat()).await;
            assert_eq!((origin, left), (Ok(Origin::Client(ip(client))), b"GET / HTTP/1.1\r\n".to_vec()), "{client}");
        }
        let unnamed = [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::ffff ::1 1 2\r\n".to_vec(),
            v2(0x20, 0x00, &[]),
            // The addresses of a health check are the proxy's own, and mean nothing.
            v2(0x20, 0x11, &v4_addresses()),
            v2(0x21, 0x00, &[]),
            v2(0x21, 0x31, &unix),
        ];
        for header in unnamed {
            assert_eq!(found(&header).await.0, Ok(Origin::Unnamed), "{header:?}");
        }
    }

    #[tokio::test]
    async fn whatever_else_comes_is_refused_by_name() {
        let long = vec![b'f'; 200];
        let cases = [
            (b"GET /v1/signal HTTP/1.1\r\n\r\n".to_vec(), "malformed"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(), "malformed"),
            (b"proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(), "malformed"),
            (b"PROXY TCP5 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 2\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 1 65536\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec(), "malformed"),
            (b"PROXY TCP4 192.0.2.1\r\n".to_vec(), "malformed"),
            ([&b"PROXY TCP4 "[..], &long].concat(), "too long"),
            (v2(0x11, 0x11, &v4_addresses()), "malformed"),
            (v2(0x22, 0x11, &v4_addresses()), "malformed"),
            (v2(0x21, 0x41, &v4_addresses()), "malformed"),
            (v2(0x21, 0x11, &v4_addresses()[..11]), "malformed"),
            (v2(0x21, 0x21, &v4_addresses()), "malformed"),
            (v2(0x21, 0x11, &[0; V2_BYTES]), "too long"),
            (v2(0x21, 0x11, &v4_addresses())[..20].to_vec(), "cut"),
            (SIGNATURE.to_vec(), "cut"),
            (b"PROXY TCP4 192.0.2.1".to_vec(), "cut"),
            (Vec::new(), "cut"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(found(&bytes).await.0, Err(expected), "{}", String::from_utf8_lossy(&bytes));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_it(
            begin in prop_oneof![Just(Vec::new()), Just(SIGNATURE.to_vec()), Just(NAME.to_vec())],
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            // Both whole, as far as they are that, and as whatever a reader would hand on.
            let bytes = [begin, bytes].concat();
            let _ = parse(&bytes);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let _ = runtime.block_on(read(&mut bytes.as_slice()));
        }
    }
}
