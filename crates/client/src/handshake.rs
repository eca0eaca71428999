//! The upgrade: a request, and an answer that is either a WebSocket or a refusal with a body.
//!
//! tungstenite writes the request and parses the answer; the reading is done here, because its own handshake drops the socket at a
//! refusal and with it the part of the body that has not arrived yet.

use aldis_protocol::SUBPROTOCOL;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::{
            client::{Request, Response, generate_request},
            derive_accept_key,
            machine::TryParse,
        },
        http::{HeaderName, StatusCode, header},
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{
    Dialect, Error, Options,
    stream::{self, Stream},
};

/// Largest answer to the upgrade, head and body.
const MAX_ANSWER: usize = 64 * 1024;

/// tungstenite zeroes its whole read buffer at every read, and its default is 128 KiB.
const BUFFER: usize = 4096;

/// Above the largest `welcome` of a server, which is 256 KiB by default.
const MAX_MESSAGE: usize = 1024 * 1024;

/// Connects, upgrades, and hands over the WebSocket.
pub(crate) async fn upgrade(options: &Options) -> Result<WebSocketStream<Stream>, Error> {
    let (target, request) = options.request()?;
    let mut stream = stream::connect(&target, options).await?;
    let (head, key) = request_head(request)?;
    stream.write_all(&head).await.map_err(|error| failed(&error))?;
    stream.flush().await.map_err(|error| failed(&error))?;

    let mut received = Vec::with_capacity(BUFFER);
    let (length, answer) = loop {
        read_some(&mut stream, &mut received).await?;
        if let Some(parsed) = Response::try_parse(&received).map_err(|error| Error::Handshake(error.to_string()))? {
            break parsed;
        }
    };
    let mut rest = received.split_off(length);
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(&answer, &mut stream, &mut rest).await);
    }
    check(&answer, &key, &options.dialect)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    Ok(WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(config)).await)
}

fn request_head(request: Request) -> Result<(Vec<u8>, String), Error> {
    generate_request(request).map_err(|error| Error::Options(error.to_string()))
}

/// Checks what RFC 6455, section 4.1, has a client check.
fn check(answer: &Response, key: &str, dialect: &Dialect) -> Result<(), Error> {
    let is = |name: HeaderName, expected: &str| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| value == expected)
    };
    let lower = |name: HeaderName| {
        answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase()
    };
    let wrong = |why: &str| Err(Error::Handshake(why.to_owned()));
    if lower(header::UPGRADE) != "websocket" || !lower(header::CONNECTION).split(',').any(|it| it.trim() == "upgrade") {
        return wrong("the answer upgrades to something else");
    }
    if !is(header::SEC_WEBSOCKET_ACCEPT, &derive_accept_key(key.as_bytes())) {
        return wrong("`Sec-WebSocket-Accept` does not match the key");
    }
    if answer.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return wrong("the server selected an extension, and none was offered");
    }
    match dialect {
        Dialect::V1 { .. } if !is(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) => {
            wrong("the server did not select the subprotocol `aldis.v1`")
        }
        Dialect::Raw if answer.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL) => {
            wrong("the server selected a subprotocol for a raw client")
        }
        Dialect::V1 { .. } | Dialect::Raw => Ok(()),
    }
}

/// Reads the rest of a refusal's body, as far as `Content-Length` announces it.
async fn refusal(answer: &Response, stream: &mut Stream, body: &mut Vec<u8>) -> Error {
    let length = answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    while body.len() < length.unwrap_or(0) {
        if read_some(stream, body).await.is_err() {
            break; // What has arrived may still say why; the status does in any case.
        }
    }
    Error::Refused { status: answer.status().as_u16(), problem: serde_json::from_slice(body).ok() }
}

async fn read_some(stream: &mut Stream, received: &mut Vec<u8>) -> Result<(), Error> {
    if received.len() >= MAX_ANSWER {
        return Err(Error::Handshake(format!("the answer is larger than {MAX_ANSWER} bytes")));
    }
    match stream.read_buf(received).await {
        Ok(0) => Err(Error::Handshake("the server closed the connection in the middle of it".to_owned())),
        Ok(_) => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::Handshake(error.to_string())
}
