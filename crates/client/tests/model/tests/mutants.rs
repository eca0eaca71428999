//! The checker is a test of the streams, and the mutants are a test of the checker.

use std::collections::BTreeMap;

use super::promises::report;
use crate::{
    history::history_of,
    mutants::{CONTROL, MUTANTS, Mutant},
    world::{RULES, World},
};

/// No more than the model's own test runs.
const SEEDS: u32 = 200;

#[test]
fn the_checker_catches_every_mutant() {
    let wrong: Vec<_> = MUTANTS.iter().filter_map(|mutant| catch(mutant).err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn catch(mutant: &Mutant) -> Result<(), String> {
    let Mutant { name, rules, kinds } = mutant;
    let mut seen = BTreeMap::new();
    let mut caught = None;
    let mut seeds = 0..SEEDS;
    while kinds.iter().any(|kind| !seen.contains_key(kind)) {
        let Some(seed) = seeds.next() else {
            return Err(format!("{name}: the checker should see {kinds:?}, and saw {seen:?}"));
        };
        for violation in World::new(seed, *rules).run().violations {
            *seen.entry(violation.kind).or_insert(0_u32) += 1;
            caught.get_or_insert(seed);
        }
    }
    let Some(seed) = caught else {
        return Err(format!("{name}: nothing is to be seen"));
    };
    report(&format!("{name}: caught by seed {seed}, after {} seeds {seen:?}", seeds.start));
    let history = history_of(seed, *rules);
    let told = history.starts_with(&format!("seed {seed}: message ")) && history.lines().count() > 1;
    if told { Ok(()) } else { Err(format!("{name}: its history is not told: {history}")) }
}

#[test]
fn the_way_in_which_mutants_are_made_changes_nothing() {
    for seed in 0..10 {
        assert_eq!(World::tell(seed, CONTROL).0, World::tell(seed, RULES).0, "seed {seed}");
    }
}
