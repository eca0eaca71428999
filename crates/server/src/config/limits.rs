//! `[limits]`: made from the protocol's table, so that no limit is without a key.

use std::ops::RangeInclusive;

use aldis_protocol::{Limits, for_each_limit};
use conf::Conf;

use super::{raw::Raw, reader::Reader};

macro_rules! section {
    ($($name:ident = $default:literal, $test:literal, $doc:literal;)*) => {
        /// The section, unread. Public only because the derive needs it.
        #[derive(Conf, Default)]
        #[conf(serde)]
        pub struct LimitsSection {
            $(
                #[conf(env)]
                pub(super) $name: Option<Raw>,
            )*
        }

        pub(super) fn read(reader: &mut Reader, section: LimitsSection) -> Limits {
            let limits = Limits {
                $($name: reader.number(
                    concat!("limits.", stringify!($name)),
                    section.$name,
                    $default,
                    &range(stringify!($name)),
                ),)*
            };
            compare(reader, &limits);
            limits
        }
    };
}

for_each_limit!(section);

/// What a limit may be. Sizes and times that could not work are refused here, those that contradict each other in [`compare`].
fn range(name: &str) -> RangeInclusive<u64> {
    const DAY_MS: u64 = 86_400_000;
    const GIB: u64 = 1 << 30;
    const MANY: u64 = 1_000_000_000;
    match name {
        // Nothing can be had of these: no burst, no parking, no failure for free, news and refusals at once.
        "message_burst_per_peer"
        | "acks_per_second_per_peer"
        | "message_burst"
        | "parked_messages"
        | "auth_failures_free" => 0..=MANY,
        "parked_bytes" => 0..=GIB,
        "away_notice_ms" | "auth_delay_ms" => 0..=DAY_MS,
        // They are kept in two halves.
        "auth_failures_tracked" => 2..=MANY,
        // hyper refuses to read a head into less.
        "header_bytes" => 8_192..=1 << 20,
        // A token at least has a header, a few claims and a signature.
        "token_bytes" => 256..=65_536,
        "message_bytes" | "small_message_bytes" | "post_bytes" | "welcome_bytes" | "outbound_bytes" => 1_024..=GIB,
        // serde_json and the parsers of others end at 128.
        "json_depth" => 2..=128,
        _ if name.ends_with("_ms") => 1..=DAY_MS,
        _ if name.contains("byte") => 1..=GIB,
        _ => 1..=MANY,
    }
}

/// Refuses limits that contradict each other.
fn compare(reader: &mut Reader, limits: &Limits) {
    // (the smaller one, its value, the larger one, its value, why)
    let pairs = [
        (
            "small_message_bytes",
            limits.small_message_bytes,
            "message_bytes",
            limits.message_bytes,
            "it bounds some of the messages",
        ),
        ("x_bytes", limits.x_bytes, "small_message_bytes", limits.small_message_bytes, "`x` is part of a message"),
        (
            "attributes_bytes",
            limits.attributes_bytes,
            "small_message_bytes",
            limits.small_message_bytes,
            "they are part of a message",
        ),
        ("metadata_bytes", limits.metadata_bytes, "token_bytes", limits.token_bytes, "it is part of a token"),
        ("token_bytes", limits.token_bytes, "header_bytes", limits.header_bytes, "a token travels in a header"),
        (
            "message_bytes",
            limits.message_bytes,
            "byte_burst",
            limits.byte_burst,
            "else the largest message is always too much",
        ),
        ("message_bytes", limits.message_bytes, "post_bytes", limits.post_bytes, "a message may come in a POST"),
        (
            "message_bytes",
            limits.message_bytes,
            "outbound_bytes",
            limits.outbound_bytes,
            "else it could never be queued",
        ),
        (
            "welcome_bytes",
            limits.welcome_bytes,
            "outbound_bytes",
            limits.outbound_bytes,
            "else it could never be queued",
        ),
        (
            "auth_delay_ms",
            limits.auth_delay_ms,
            "auth_delay_max_ms",
            limits.auth_delay_max_ms,
            "it is the shortest of the delays",
        ),
        (
            "resume_renew_ms",
            limits.resume_renew_ms,
            "resume_token_ms",
            limits.resume_token_ms,
            "else clients hold expired tokens",
        ),
        (
            "resume_token_ms",
            limits.resume_token_ms,
            "tombstone_ms",
            limits.tombstone_ms,
            "else a token outlives the memory of its peer",
        ),
    ];
    for (smaller, value, larger, bound, why) in pairs {
        if value > bound {
            reader
                .refuse(&format!("limits.{smaller}"), format!("{value} is more than limits.{larger}, {bound}; {why}"));
        }
    }
    let handed_over = limits.welcome_bytes.saturating_add(limits.parked_bytes);
    if limits.welcome_bytes <= limits.outbound_bytes && handed_over > limits.outbound_bytes {
        reader.refuse(
            "limits.outbound_bytes",
            format!(
                "{} is less than limits.welcome_bytes and limits.parked_bytes together, {handed_over}; else a resume closes itself",
                limits.outbound_bytes
            ),
        );
    }
    let needed = limits.resume_renew_ms.saturating_add(limits.resume_window_ms);
    if needed > limits.resume_token_ms {
        reader.refuse(
            "limits.resume_token_ms",
            format!(
                "{} is less than limits.resume_renew_ms and limits.resume_window_ms together, {needed}; else a session in its window has no valid token",
                limits.resume_token_ms
            ),
        );
    }
}
