//! Every limit: its default, its reason, its configuration key and the test that hits it, in one table.
//!
//! A limit is per node. Sizes are bytes, times milliseconds. The configuration key of `message_bytes` is `limits.message_bytes`,
//! its environment variable `ALDIS_LIMITS_MESSAGE_BYTES`, and each time it refuses something `aldis_limit_hits_total` with the
//! label `limit="message_bytes"` counts. `docs/limits.md` is generated from here.

use serde::{Deserialize, Serialize};

/// Calls `$callback!` with the table: `name = default, "test that hits it", "what it bounds";` a row.
///
/// The server makes its configuration from the same rows, so that a limit cannot exist without a key.
#[macro_export]
macro_rules! for_each_limit {
    ($callback:ident) => {
        $callback! {
            // Sizes.
            message_bytes = 65_536, "an_oversize_message_closes_with_1009", "Largest inbound message, bytes.";
            small_message_bytes = 8_192, "an_oversize_candidate_is_too_large", "Largest inbound message other than hello, auth, offer, answer and message, bytes.";
            welcome_bytes = 262_144, "a_roster_beyond_welcome_bytes_refuses_the_joiner", "Largest `welcome`, bytes.";
            json_depth = 32, "a_deep_message_is_too_deep", "Deepest nesting of a message.";
            x_bytes = 1_024, "an_oversize_x_is_too_large", "Largest `x` of a relayed message, bytes.";
            attributes_bytes = 1_024, "oversize_attributes_are_too_large", "Largest attributes of a peer, bytes.";
            metadata_bytes = 1_024, "oversize_metadata_is_token_invalid", "Largest metadata of a token, bytes.";
            token_bytes = 4_096, "an_oversize_token_is_token_invalid", "Largest token, bytes.";
            post_bytes = 131_072, "an_oversize_post_is_413", "Largest body of a POST with messages, bytes.";
            header_bytes = 16_384, "oversize_headers_are_431", "Largest request head, bytes; at least 8192.";
            // Rates. The bursts grow with the room, so that a mesh can open.
            messages_per_second = 50, "a_flood_is_rate_limited", "Sustained inbound messages a second of one connection.";
            message_burst = 300, "a_flood_is_rate_limited", "Messages above the sustained rate that one connection may send at once.";
            message_burst_per_peer = 20, "the_burst_grows_with_the_room", "What each other peer of the room adds to the message burst.";
            bytes_per_second = 262_144, "a_flood_of_bytes_is_rate_limited", "Sustained inbound bytes a second of one connection.";
            byte_burst = 1_048_576, "a_flood_of_bytes_is_rate_limited", "Bytes above the sustained rate that one connection may send at once.";
            acks_per_second = 200, "an_ack_flood_is_dropped_and_counted", "Sustained acks a second of one connection, apart from its messages.";
            acks_per_second_per_peer = 5, "an_ack_flood_is_dropped_and_counted", "What each other peer of the room adds to the ack rate.";
            updates_per_second = 2, "an_update_flood_is_rate_limited", "Attribute updates a second of one connection.";
            excess_ms = 30_000, "sustained_excess_closes_with_4429", "How long a connection may exceed its rates before it is closed with 4429, ms.";
            strikes = 10, "ten_strikes_close_with_4400", "Malformed messages within `strikes_window_ms` that close with 4400.";
            strikes_window_ms = 60_000, "strikes_are_forgotten", "How long a malformed message is remembered, ms.";
            // Numbers.
            room_peers = 100, "a_full_room_refuses_the_next", "Most peers in a room; a token's `maxPeers` may make it less.";
            connections = 100_000, "a_full_node_answers_503", "Most connections of the node.";
            connections_per_identity = 20, "an_identity_has_so_many_connections", "Most connections of one identity on the node.";
            unauthenticated_per_address = 200, "an_address_has_so_many_unauthenticated_connections", "Most connections of one IPv4 address or IPv6 /64 that have not shown a valid token.";
            auth_failures_free = 10, "a_failing_attempt_waits_while_a_valid_token_is_served", "Failed authentications of one address that are answered at once.";
            auth_failures_tracked = 10_000, "the_failures_of_only_so_many_addresses_are_remembered", "Most addresses whose failed authentications are remembered.";
            parked_messages = 64, "a_full_parking_is_queue_full", "Most messages kept for a peer that is away.";
            parked_bytes = 65_536, "a_full_parking_is_queue_full", "Most bytes kept for a peer that is away.";
            outbound_bytes = 1_048_576, "a_slow_reader_is_closed_with_4420", "Most bytes queued for a connection that does not read.";
            outbound_stall_ms = 10_000, "a_stalled_reader_is_closed_with_4420", "How long a connection may read nothing while bytes are queued, ms.";
            posts_waiting = 16, "only_so_many_posts_wait", "Most POSTs of one connection that wait for their turn or for an earlier one.";
            parted_streams = 10_000, "only_so_many_streams_that_broke_may_say_leave", "Most event streams that are over and whose clients may still say `leave`.";
            revocations = 10_000, "a_full_list_refuses_the_next", "Most revocations that are held.";
            tombstones_per_room = 1_024, "tombstones_are_bounded", "Most remembered ids of peers that left a room for good.";
            // TURN credentials that are made by others, over the network.
            turn_wait_ms = 300, "a_join_waits_only_so_long_for_turn", "How long a join waits for TURN credentials, ms.";
            turn_request_ms = 2_000, "a_provider_that_says_nothing_is_given_up", "Time for one request to a TURN provider, ms.";
            turn_requests = 64, "only_so_many_requests_are_under_way", "Most requests to TURN providers at once.";
            turn_answer_bytes = 65_536, "answers_that_are_none_are_told_apart", "Largest answer of a TURN provider, bytes.";
            turn_mints_per_identity = 10, "an_identity_a_room_and_a_key_have_so_many_mints", "Most TURN credentials made for one identity within `turn_budget_ms`.";
            turn_mints_per_room = 300, "an_identity_a_room_and_a_key_have_so_many_mints", "Most TURN credentials made for one room within `turn_budget_ms`.";
            turn_mints_per_key = 6_000, "an_identity_a_room_and_a_key_have_so_many_mints", "Most TURN credentials made for the tokens of one key within `turn_budget_ms`.";
            turn_budget_ms = 60_000, "a_budget_fills_up_again", "Time within which the numbers of TURN credentials are counted, ms.";
            turn_failures = 5, "a_provider_that_fails_is_left_alone", "Failures in a row after which a TURN provider is left alone.";
            turn_pause_ms = 30_000, "a_provider_that_fails_is_left_alone", "How long a TURN provider is left alone, ms.";
            turn_credentials_tracked = 100_000, "the_oldest_make_room", "Most TURN credentials that are remembered to be taken back.";
            // Times.
            handshake_ms = 5_000, "half_a_handshake_is_closed", "Time for the TLS handshake and a request's headers together, ms.";
            hello_ms = 5_000, "no_hello_closes_with_4408", "Time for the first `hello`, ms.";
            post_ms = 5_000, "a_post_waits_only_so_long", "Time for the body of a POST, and again for the POSTs before it, ms.";
            heartbeat_interval_ms = 15_000, "a_silent_connection_is_pinged", "Silence after which a connection is pinged, ms.";
            heartbeat_timeout_ms = 10_000, "an_unanswered_ping_makes_the_peer_away", "Time to answer that ping, ms.";
            silent_ms = 5_000, "a_signal_for_a_silent_connection_probes_it", "Silence after which a signal for the connection triggers a probe, ms.";
            probe_ms = 3_000, "a_signal_for_a_silent_connection_probes_it", "Time to answer a probe, ms.";
            away_notice_ms = 2_000, "a_blip_is_no_event", "How long a peer is away before the others are told, ms.";
            resume_window_ms = 30_000, "the_window_ends_a_stay", "How long an away session can be resumed, ms.";
            resume_token_ms = 300_000, "an_old_resume_token_starts_a_new_stay", "How long a resume token is valid, ms.";
            resume_renew_ms = 120_000, "a_fresh_resume_token_comes_in_time", "How often a connection gets a fresh resume token, ms.";
            tombstone_ms = 600_000, "a_tombstone_outlives_a_resume_token", "How long the id of a peer that left for good is remembered, ms.";
            auth_delay_ms = 100, "the_delay_begins_small_and_ends", "How long the answer to the first failed authentication that is not free is held back, ms; each further one doubles it, 0 turns it off.";
            auth_delay_max_ms = 5_000, "the_delay_begins_small_and_ends", "Longest time that the answer to a failed authentication is held back, ms.";
            auth_failure_ms = 30_000, "failures_are_forgotten_one_by_one", "How long it takes until one failed authentication of an address is forgotten, ms.";
            receipt_ms = 5_000, "a_receipt_is_settled_in_time", "Time within which a receipt or an error answers a message that asked for one, ms.";
        }
    };
}

macro_rules! define {
    ($($name:ident = $default:literal, $test:literal, $doc:literal;)*) => {
        /// The limits of one node. [`Limits::default`] holds the documented defaults.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $doc] pub $name: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        /// The name of a limit, as a metric's label.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(non_camel_case_types, reason = "each is spelled like its configuration key")]
        pub enum Limit {
            $(#[doc = $doc] $name,)*
        }

        impl Limit {
            /// The configuration key, without its section.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The name in `welcome.limits`, and for those that are not in it, in messages to clients.
            #[must_use]
            pub fn wire_name(self) -> String {
                let mut words = self.as_str().split('_');
                let first = words.next().unwrap_or_default().to_owned();
                words.fold(first, |mut name, word| {
                    let (initial, rest) = word.split_at(word.len().min(1));
                    name.push_str(&initial.to_ascii_uppercase());
                    name.push_str(rest);
                    name
                })
            }
        }

        /// The table, a row a limit.
        pub const TABLE: &[Row] = &[$(Row { limit: Limit::$name, default: $default, test: $test, doc: $doc },)*];
    };
}

for_each_limit!(define);

/// One row of [`TABLE`].
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Which limit.
    pub limit: Limit,
    /// Its default, in bytes, milliseconds or plain numbers.
    pub default: u64,
    /// The name of a test that hits it.
    pub test: &'static str,
    /// What it bounds.
    pub doc: &'static str,
}

/// How many pairs an SDK opens at once: advice, sent in `welcome.limits`; the server does not count pairs.
pub const PAIRS_OPENING: u64 = 8;

/// What a client has to know of the limits: `welcome.limits`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireLimits {
    /// Largest message.
    pub message_bytes: u64,
    /// Largest message of every type but `hello`, `auth`, `offer`, `answer` and `message`.
    pub small_message_bytes: u64,
    /// Largest body of a POST.
    pub post_bytes: u64,
    /// Deepest nesting.
    pub json_depth: u64,
    /// Largest `x`.
    pub x_bytes: u64,
    /// Largest `attributes`.
    pub attributes_bytes: u64,
    /// Sustained messages a second.
    pub messages_per_second: u64,
    /// Messages above the sustained rate at once.
    pub message_burst: u64,
    /// What each other peer of the room adds to `messageBurst`.
    pub message_burst_per_peer: u64,
    /// Sustained bytes a second.
    pub bytes_per_second: u64,
    /// Bytes above the sustained rate at once.
    pub byte_burst: u64,
    /// Sustained acks a second.
    pub acks_per_second: u64,
    /// What each other peer of the room adds to `acksPerSecond`.
    pub acks_per_second_per_peer: u64,
    /// Attribute updates a second.
    pub updates_per_second: u64,
    /// Pairs an SDK opens at once.
    pub pairs_opening: u64,
}

impl From<&Limits> for WireLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            message_bytes: limits.message_bytes,
            small_message_bytes: limits.small_message_bytes,
            post_bytes: limits.post_bytes,
            json_depth: limits.json_depth,
            x_bytes: limits.x_bytes,
            attributes_bytes: limits.attributes_bytes,
            messages_per_second: limits.messages_per_second,
            message_burst: limits.message_burst,
            message_burst_per_peer: limits.message_burst_per_peer,
            bytes_per_second: limits.bytes_per_second,
            byte_burst: limits.byte_burst,
            acks_per_second: limits.acks_per_second,
            acks_per_second_per_peer: limits.acks_per_second_per_peer,
            updates_per_second: limits.updates_per_second,
            pairs_opening: PAIRS_OPENING,
        }
    }
}
