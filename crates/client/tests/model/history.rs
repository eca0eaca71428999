//! What somebody needs who looks for the fault that a seed has found.

use crate::{
    checker::Violation,
    world::{Rules, World},
};

/// How many lines of a history are told: what led to it, and what came of it.
const FIRST: usize = 20;
const LAST: usize = 40;

/// What concerns everybody.
const EVENTS: [&str; 8] =
    [" world:", " relay:", ": joined ", ": is told ", ": notices ", " is refused", " is gone", " joined anew"];

/// Runs a seed again and tells the first violation, with what happened in the world and to the message.
pub(crate) fn history_of(seed: u32, rules: Rules) -> String {
    let (lines, checker) = World::tell(seed, rules);
    let Some(first) = checker.violations.first() else {
        return format!("seed {seed}: no violation");
    };
    let told: Vec<_> = lines.iter().filter(|line| concerns(line, first)).map(String::as_str).collect();
    let shown = if told.len() <= FIRST + LAST {
        told.join("\n")
    } else {
        [&told[..FIRST], &["   ..."], &told[told.len() - LAST..]].concat().join("\n")
    };
    let Violation { kind, letter, at } = first;
    format!("seed {seed}: message {} from {} to {} is {kind:?} at {at}\n{shown}", letter.id, letter.from, letter.to)
}

fn concerns(line: &str, Violation { letter, at, .. }: &Violation) -> bool {
    let (time, text) = line.split_at(6);
    let time: u64 = time.trim().parse().expect("a line begins with its time");
    let named = text.split(' ').any(|word| word.strip_prefix('#').is_some_and(|id| id == letter.id.to_string()));
    (letter.sent_at..=*at).contains(&time) && (named || EVENTS.iter().any(|event| text.contains(event)))
}
