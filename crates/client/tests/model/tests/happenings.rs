//! What the model is about happens in it.

use crate::world::{RULES, World};

/// What a line is about: some of its text, and what else is in it.
const HAPPENINGS: [(&str, &str); 17] = [
    ("world: the relay crashes", ""),
    ("world: the connection of ", " is cut"),
    ("world: storm", ""),
    ("world: silent", ""),
    ("world: dammed", ""),
    (": notices that its connection is gone", ""),
    (": joined again", ""),
    (": joined anew as ", ""),
    (": is told that ", " is away"),
    (": is told that ", " is back"),
    (": is told that ", " is left"),
    (" to ", " is postponed"),
    (" to ", " is refused"),
    (" to ", " is gone"),
    // An epoch is over; one follows the highest number; the window is full.
    (r#""reset":true"#, ""),
    (r#": sends {"s":{"e":0,"n":1}"#, ""),
    (": sends ", r#""n":64}"#),
];

#[test]
fn what_the_model_is_about_happens_in_it() {
    let lines: Vec<_> = (0..40).flat_map(|seed| World::tell(seed, RULES).0).collect();
    for (some, more) in HAPPENINGS {
        let times = lines.iter().filter(|line| line.contains(some) && line.contains(more)).count();
        assert!(times > 2, "{some}…{more} happens {times} times");
    }
}
