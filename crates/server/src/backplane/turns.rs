//! Which of several servers to try next.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::address::{Seed, Servers};

/// Servers, and whose turn it is to be asked: there may be more than can be asked in the time of one attempt.
#[derive(Debug)]
pub(super) struct Turns {
    pub(super) servers: Servers,
    next: AtomicUsize,
}

impl Turns {
    pub(super) fn of(servers: &Servers) -> Arc<Self> {
        Arc::new(Self { servers: servers.clone(), next: AtomicUsize::new(0) })
    }

    /// Each server once, if whoever asks them passes the turn on after each that was of no use.
    pub(super) fn once(&self) -> impl Iterator<Item = &Seed> {
        let seeds = &self.servers.seeds;
        seeds.iter().filter_map(|_| seeds.get(self.next.load(Ordering::Relaxed) % seeds.len()))
    }

    /// Another one is next, also for the attempts to come. Until then the one that answered last is asked first.
    pub(super) fn pass(&self) {
        self.next.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::Address;

    #[test]
    fn the_next_attempt_goes_on_where_the_last_one_was_given_up() {
        let Ok(Address::Redis(servers)) = Address::parse("redis://a,b,c") else { panic!("no servers") };
        let turns = Turns::of(&servers);
        let attempt = |useless: usize| {
            let mut asked = String::new();
            for (number, seed) in turns.once().enumerate() {
                asked.push_str(&seed.host);
                if number == useless {
                    break;
                }
                turns.pass();
            }
            asked
        };
        assert_eq!(attempt(1), "ab");
        assert_eq!(attempt(0), "b", "whoever answered is asked first");
        assert_eq!(attempt(9), "bca", "each once");
        assert_eq!(attempt(2), "bca");
        assert_eq!(attempt(0), "a");
    }
}
