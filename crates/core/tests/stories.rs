//! The hub, told as stories: what goes in, and a table of everything that must come out.

mod support;

mod stories {
    mod admission;
    mod away;
    mod checking;
    mod departing;
    mod draining;
    mod duplicates;
    mod frozen;
    mod grants;
    mod joining;
    mod politeness;
    mod receipts;
    mod relaying;
    mod resuming;
    mod revoked;
    mod roster;
    mod tombstones;
}
