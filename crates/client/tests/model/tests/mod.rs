//! The tests, one file a question.

mod checker;
mod happenings;
mod mutants;
mod outages;
mod promises;
