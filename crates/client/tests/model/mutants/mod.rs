//! The streams and their world with one rule missing each: what the checker has to notice.

mod receiving;
mod sending;

use receiving::{AcknowledgesTheHighest, BeginsAnywhere, ForgetsOnReconnect, WithoutDedupe, WithoutTombstones};
use sending::{ConstantEpoch, SettledOnWrite, WithoutRetransmission};

use crate::{
    checker::Kind,
    endpoint::Departed,
    halves::{AnyStream, Halves},
    world::{RULES, Rules},
};

/// A rule that is missing, and what is seen then at least.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) rules: Rules,
    pub(crate) kinds: &'static [Kind],
}

/// Nothing is missing: the way in which the mutants are made changes nothing.
pub(crate) const CONTROL: Rules = Rules { create_stream: |epoch| Box::new(Halves::new(epoch)), ..RULES };

/// One for each rule of the streams, and the rules that their owner adds.
pub(crate) const MUTANTS: [Mutant; 10] = [
    Mutant { name: "no dedupe", rules: made::<WithoutDedupe>(), kinds: &[Kind::Twice] },
    Mutant {
        name: "the same peer id after a failed resume",
        rules: Rules { next_stay: |previous| previous, ..RULES },
        kinds: &[Kind::GivenUp],
    },
    Mutant { name: "settled on the write to the socket", rules: made::<SettledOnWrite>(), kinds: &[Kind::Lost] },
    Mutant {
        name: "the highest acknowledged instead of the contiguous",
        rules: made::<AcknowledgesTheHighest>(),
        kinds: &[Kind::Lost],
    },
    Mutant { name: "no retransmission", rules: made::<WithoutRetransmission>(), kinds: &[Kind::GivenUp] },
    Mutant {
        name: "incoming streams forgotten on reconnect",
        rules: made::<ForgetsOnReconnect>(),
        kinds: &[Kind::Twice, Kind::GivenUp],
    },
    Mutant { name: "no tombstones", rules: made::<WithoutTombstones>(), kinds: &[Kind::Twice] },
    Mutant { name: "a constant epoch", rules: made::<ConstantEpoch>(), kinds: &[Kind::Lost] },
    Mutant { name: "an unknown epoch accepted above 1", rules: made::<BeginsAnywhere>(), kinds: &[Kind::Lost] },
    Mutant {
        name: "a second stream with the same stay",
        rules: Rules { departed: Departed::Forgotten, ..RULES },
        kinds: &[Kind::GivenUp],
    },
];

const fn made<Change: Default + 'static>() -> Rules
where
    Changed<Change>: AnyStream,
{
    let create_stream =
        |epoch| Box::new(Changed { halves: Halves::new(epoch), change: Change::default() }) as Box<dyn AnyStream>;
    Rules { create_stream, ..RULES }
}

/// A stream with a change, and what that has to remember.
struct Changed<Change> {
    halves: Halves,
    change: Change,
}
