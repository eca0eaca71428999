//! A client on a WebSocket, as bad as an attack needs it.

use anyhow::Context as _;
use serde_json::Value;

use crate::{
    frame::{self, CLOSE, PING, PONG, TEXT},
    line::Line,
};

/// Somebody in a room.
pub(crate) struct Peer {
    pub(crate) socket: Socket,
    pub(crate) id: String,
    pub(crate) welcome: Value,
}

/// A WebSocket.
pub(crate) struct Socket {
    pub(crate) line: Line,
    probes: u64,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Value),
    Close(u16),
    /// A control frame, with its opcode.
    Control(u8),
    End,
}

impl Socket {
    pub(crate) fn new(line: Line) -> Self {
        Self { line, probes: 0 }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.line.send(bytes);
    }

    pub(crate) fn say(&mut self, message: &Value) {
        self.write(&frame::whole(TEXT, message.to_string().as_bytes()));
    }

    pub(crate) fn hear(&mut self) -> anyhow::Result<Heard> {
        loop {
            let Some(received) = frame::take(&mut self.line.inbox) else {
                if !self.line.read()? {
                    return Ok(Heard::End);
                }
                continue;
            };
            return Ok(match received.opcode {
                TEXT => Heard::Message(serde_json::from_slice(&received.payload).context("the server sent no JSON")?),
                CLOSE => Heard::Close(close_code(&received.payload)),
                PING => {
                    self.write(&frame::whole(PONG, &received.payload));
                    Heard::Control(PING)
                }
                other => Heard::Control(other),
            });
        }
    }

    /// The next message of this type; what comes before it is passed over.
    pub(crate) fn expect(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            match self.hear()? {
                Heard::Message(message) if message["type"] == kind => return Ok(message),
                Heard::Message(_) | Heard::Control(_) => {}
                other => anyhow::bail!("{other:?} instead of {kind}"),
            }
        }
    }

    /// What the server makes of these bytes: codes of errors, types of other messages, and its close, each said once where it comes
    /// many times. Who else comes and goes is left out.
    pub(crate) fn reaction(&mut self, bytes: &[u8]) -> anyhow::Result<String> {
        const ROSTER: [&str; 5] = ["peer-joined", "peer-left", "peer-away", "peer-back", "peer-updated"];
        let mut heard = self.answers(bytes)?;
        heard.retain(|told| !ROSTER.contains(&told.as_str()));
        let mut kinds: Vec<String> = Vec::new();
        for told in heard {
            if !kinds.contains(&told) {
                kinds.push(told);
            }
        }
        Ok(if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(" + ") })
    }

    /// All that comes until the server has handled these bytes. A ping behind them, which costs nothing of any rate, tells when.
    pub(crate) fn answers(&mut self, bytes: &[u8]) -> anyhow::Result<Vec<String>> {
        self.probes += 1;
        let probe = self.probes.to_be_bytes();
        self.write(&[bytes, &frame::whole(PING, &probe)].concat());
        let mut heard = Vec::new();
        loop {
            let Some(received) = frame::take(&mut self.line.inbox) else {
                if !self.line.read()? {
                    heard.push("hung up".to_owned());
                    return Ok(heard);
                }
                continue;
            };
            match received.opcode {
                PONG if received.payload == probe => return Ok(heard),
                TEXT => {
                    let message: Value =
                        serde_json::from_slice(&received.payload).context("the server sent no JSON")?;
                    let told = if message["type"] == "error" { &message["code"] } else { &message["type"] };
                    heard.push(told.as_str().unwrap_or_default().to_owned());
                }
                CLOSE => {
                    heard.push(format!("close {}", close_code(&received.payload)));
                    return Ok(heard);
                }
                _ => {}
            }
        }
    }

    /// The same of a text.
    pub(crate) fn reaction_to(&mut self, text: &str) -> anyhow::Result<String> {
        self.reaction(&frame::whole(TEXT, text.as_bytes()))
    }
}

impl Peer {
    /// Waits for `welcome`.
    pub(crate) fn seated(mut socket: Socket) -> anyhow::Result<Self> {
        let welcome = socket.expect("welcome")?;
        let id = welcome["peer"]["id"].as_str().context("no id")?.to_owned();
        Ok(Self { socket, id, welcome })
    }

    /// The token of its `welcome`.
    pub(crate) fn resume_token(&self) -> String {
        self.welcome["resume"]["token"].as_str().unwrap_or_default().to_owned()
    }
}

/// The code of a close frame; RFC 6455's stand-in where it has none.
fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(1_005, |code| u16::from_be_bytes(*code))
}
