//! Two ends of a stream, and a relay between them that does everything wrong: random histories, watched by a checker that knows only what
//! was promised, and ten ways to break the algorithm or the rules of its owner, each of which the checker has to catch.
//!
//! | module | holds |
//! |---|---|
//! | `chance`, `agenda` | what a seed decides, and virtual time |
//! | `scene` | what the others share: the connections, the log, and how long the way was free |
//! | `relay`, `endpoint`, `talk` | the relay, a side, and one of its streams |
//! | `messages` | what goes between them |
//! | `world`, `habits` | what befalls them, and how often |
//! | `checker` | what was promised |
//! | `halves`, `mutants` | streams with a rule missing |
//! | `history` | what a failing seed did |
//!
//! It is the SDK's model (`sdk/test/model.test.ts`), draw by draw: a seed tells the same story there. `ALDIS_SOAK=30` runs so many times
//! the seeds.

mod agenda;
mod chance;
mod checker;
mod endpoint;
mod habits;
mod halves;
mod history;
mod messages;
mod mutants;
mod relay;
mod scene;
mod talk;
mod tests;
mod world;
