//! What goes over the data channels: a count, and answers.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelMessage};

/// The channel that this side counts on.
pub const COUNT: &str = "native";

/// The channel of the demo's chat.
pub const CHAT: &str = "chat";

/// What an answer begins with.
const ANSWER: &str = "you said: ";

/// How often a number goes out.
const EVERY: Duration = Duration::from_millis(50);

/// What this side does on a channel, beside listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Sends numbers, one after the other, and answers.
    Count,
    /// Answers.
    Answer,
    /// Nothing more.
    Listen,
}

/// Serves a channel to `peer` until its end.
pub async fn serve(channel: Arc<dyn DataChannel>, name: String, peer: String, does: Does) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut is_open, mut count) = (false, 0_u64);
    loop {
        let to_say = tokio::select! {
            event = channel.poll() => match event {
                Some(DataChannelEvent::OnOpen) => {
                    println!("{peer}: channel `{name}` is open");
                    is_open = true;
                    None
                }
                Some(DataChannelEvent::OnMessage(message)) => line(message).and_then(|line| {
                    println!("{peer}: `{name}`: {line}");
                    answer(&line).filter(|_| does != Does::Listen)
                }),
                Some(DataChannelEvent::OnClose) | None => break,
                Some(_) => None,
            },
            _ = ticks.tick(), if is_open && does == Does::Count => {
                count += 1;
                Some(count.to_string())
            }
        };
        let Some(text) = to_say else { continue };
        if let Err(error) = channel.send_text(&text).await {
            eprintln!("{peer}: channel `{name}`: {error}");
            break;
        }
    }
    println!("{peer}: channel `{name}` is closed");
}

/// The text of a message. Bytes are none, and neither is what another peer of this kind counts, twenty times a second.
fn line(message: RTCDataChannelMessage) -> Option<String> {
    let text = String::from_utf8_lossy(&message.data).into_owned();
    (message.is_string && text.parse::<u64>().is_err()).then_some(text)
}

/// What is answered to a line; nothing to an answer, or two peers of this kind would never end.
fn answer(line: &str) -> Option<String> {
    (!line.starts_with(ANSWER)).then(|| format!("{ANSWER}{line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> RTCDataChannelMessage {
        RTCDataChannelMessage { is_string: true, data: text.as_bytes().into() }
    }

    #[test]
    fn what_is_said_is_answered_once() {
        let answered = line(message("hello")).and_then(|line| answer(&line)).expect("an answer");
        assert_eq!((answered.as_str(), answer(&answered)), ("you said: hello", None));
        assert_eq!(line(message("17")), None);
    }
}
