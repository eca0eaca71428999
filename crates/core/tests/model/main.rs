//! Random histories, run by the hub and by a naive model side by side.
//!
//! | module | holds |
//! |---|---|
//! | `naive` | the model: a flat list of stays, and what every connection must get of each step, in order |
//! | `client` | what a client makes of what it gets: its roster, who is dead to it, whom it heard |
//! | `world` | the connections with their queues, and the comparison after every step |
//!
//! After each step every connection must have got exactly what the model says; every client that has read all of it must see
//! exactly the room that the model has. In the end every signal has arrived once, or went back to its sender, or lost its sender,
//! and the hub remembers nothing.

/// Ends a check with a sentence, so that a failing history can be shrunk without a panic for each attempt.
macro_rules! ensure {
    ($condition:expr, $($sentence:tt)+) => {
        if !$condition {
            return Err(format!($($sentence)+));
        }
    };
}

mod client;
mod naive;
mod world;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseError, TestRunner},
};

/// Histories that always run, whatever else chance brings. One that failed once is added here: of these, 209 breaks the connection
/// of a frozen page with signals on both sides of the freeze.
const SEEDS: [u64; 9] = [1, 2, 3, 5, 8, 13, 21, 34, 209];
const CASES_OF_A_SEED: u32 = 50;
const RANDOM_CASES: u32 = 800;
/// After so many attempts a failing history is short enough.
const SHRINKS: u32 = 4_000;
const STEPS: std::ops::Range<usize> = 1..120;

/// One thing that happens. Numbers pick among what there is, modulo how much there is.
#[derive(Debug, Clone)]
enum Step {
    Join {
        room: usize,
        identity: usize,
        speaks: Speaks,
        can: Can,
        twice: Twice,
        then: Then,
    },
    Resume {
        stay: usize,
        token: Token,
        then: Then,
    },
    /// A token of before a restart of the node.
    Recall {
        room: usize,
        place: u64,
    },
    Confirm(usize),
    Abandon(usize),
    Send {
        link: usize,
        to: usize,
        kind: Kind,
    },
    Broadcast {
        link: usize,
        kind: Kind,
    },
    Say {
        link: usize,
        word: Word,
    },
    Remove {
        link: usize,
        stay: usize,
    },
    Check {
        link: usize,
        stay: usize,
    },
    Alive(usize),
    Authorize {
        link: usize,
        can: Can,
    },
    /// The connection takes what is queued for it.
    Flush(usize),
    Break {
        link: usize,
        how: How,
    },
    Forward(Pass),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Speaks {
    Raw,
    V1,
}

/// What the token allows; everything, in most cases.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Can {
    All,
    OnlySignal,
    OnlyMessage,
    NoBroadcast,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Twice {
    Allow,
    Replace,
    Reject,
}

/// Whether the second step of a join follows at once.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Confirm,
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Token {
    First,
    Latest,
    Expired,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Offer,
    Message,
    Receipted,
    Ack,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Word {
    Leave,
    Frozen,
    Ping,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Lost,
    Bye,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pass {
    /// The hub is called whenever it asked to be.
    Punctual(u64),
    /// It is called once, at the end.
    Late(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..1_000_usize;
    let can = || prop_oneof![6 => Just(Can::All), 1 => Just(Can::OnlySignal), 1 => Just(Can::OnlyMessage), 1 => Just(Can::NoBroadcast)];
    let then = || prop_oneof![3 => Just(Then::Confirm), 1 => Just(Then::Wait)];
    let speaks = prop_oneof![1 => Just(Speaks::Raw), 4 => Just(Speaks::V1)];
    let twice = prop_oneof![6 => Just(Twice::Allow), 1 => Just(Twice::Replace), 1 => Just(Twice::Reject)];
    let token = prop_oneof![1 => Just(Token::First), 4 => Just(Token::Latest), 1 => Just(Token::Expired)];
    let kind = || prop_oneof![Just(Kind::Offer), Just(Kind::Message), Just(Kind::Receipted), Just(Kind::Ack)];
    let word =
        prop_oneof![1 => Just(Word::Leave), 4 => Just(Word::Frozen), 4 => Just(Word::Ping), 2 => Just(Word::Update)];
    let how = prop_oneof![5 => Just(How::Lost), 1 => Just(How::Bye)];
    let ms = prop_oneof![
        6 => 0..2_500_u64,
        3 => prop_oneof![Just(1_999), Just(2_000), Just(29_999), Just(30_000)],
        1 => 2_500..60_000_u64,
        1 => Just(700_000),
    ];
    let pass = (ms, any::<bool>()).prop_map(|(ms, late)| if late { Pass::Late(ms) } else { Pass::Punctual(ms) });
    prop_oneof![
        8 => (0..3_usize, 0..5_usize, speaks, can(), twice, then())
            .prop_map(|(room, identity, speaks, can, twice, then)| Step::Join { room, identity, speaks, can, twice, then }),
        7 => (n(), token, then()).prop_map(|(stay, token, then)| Step::Resume { stay, token, then }),
        1 => (0..3_usize, 1..30_u64).prop_map(|(room, place)| Step::Recall { room, place }),
        3 => n().prop_map(Step::Confirm),
        1 => n().prop_map(Step::Abandon),
        24 => (n(), n(), kind()).prop_map(|(link, to, kind)| Step::Send { link, to, kind }),
        3 => (n(), kind()).prop_map(|(link, kind)| Step::Broadcast { link, kind }),
        6 => (n(), word).prop_map(|(link, word)| Step::Say { link, word }),
        1 => (n(), n()).prop_map(|(link, stay)| Step::Remove { link, stay }),
        2 => (n(), n()).prop_map(|(link, stay)| Step::Check { link, stay }),
        1 => n().prop_map(Step::Alive),
        1 => (n(), can()).prop_map(|(link, can)| Step::Authorize { link, can }),
        12 => n().prop_map(Step::Flush),
        8 => (n(), how).prop_map(|(link, how)| Step::Break { link, how }),
        6 => pass.prop_map(Step::Forward),
    ]
}

fn run(config: Config, named: &str) {
    let history = vec(step(), STEPS);
    let result = TestRunner::new(config).run(&history, |steps| {
        let mut world = world::World::default();
        for (number, step) in steps.iter().enumerate() {
            world.step(step).map_err(|why| TestCaseError::fail(format!("step {number}, {step:?}: {why}")))?;
        }
        world.end().map_err(|why| TestCaseError::fail(format!("in the end: {why}")))
    });
    if let Err(error) = result {
        panic!("{named}: {error}");
    }
}

#[test]
fn known_histories() {
    for seed in SEEDS {
        let config = Config {
            cases: CASES_OF_A_SEED,
            rng_seed: RngSeed::Fixed(seed),
            max_shrink_iters: SHRINKS,
            failure_persistence: None,
            ..Config::default()
        };
        run(config, &format!("seed {seed}"));
    }
}

#[test]
fn random_histories() {
    let persistence = FileFailurePersistence::Direct("proptest-regressions/model.txt");
    let config = Config {
        cases: RANDOM_CASES,
        max_shrink_iters: SHRINKS,
        failure_persistence: Some(Box::new(persistence)),
        ..Config::default()
    };
    run(config, "a random history");
}
