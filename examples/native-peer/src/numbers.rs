//! The numbers in `x`, by which two sides know what is stale: `docs/protocol.md`, "Numbers".

use aldis_protocol::Relayed;
use serde_json::{Map, Value};

/// The numbers of one signal. Others of `x` belong to the client below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Which connection between the two it is about.
    pub g: Option<u64>,
    /// Which description it is.
    pub d: Option<u64>,
    /// The offer that it answers or refuses.
    pub re: Option<u64>,
}

impl Numbers {
    /// Those that a signal carries. What is no number of at least 1 is none.
    pub fn of(signal: &Relayed) -> Self {
        let x: Map<String, Value> =
            signal.x.as_ref().and_then(|x| serde_json::from_str(x.get()).ok()).unwrap_or_default();
        let number = |name| x.get(name).and_then(Value::as_u64).filter(|number| *number > 0);
        Self { g: number("g"), d: number("d"), re: number("re") }
    }

    /// Those of a signal about a whole connection.
    pub fn connection(g: u64) -> Self {
        Self { g: Some(g), ..Self::default() }
    }

    /// As they travel.
    pub fn to_x(self) -> Value {
        let numbers = [("g", self.g), ("d", self.d), ("re", self.re)];
        numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), Value::from(number?)))).collect()
    }
}

/// The descriptions of one connection, by number. A side that does without numbers is believed.
#[derive(Debug, Default)]
pub struct Descriptions {
    ours: u64,
    theirs: u64,
    pending: Option<u64>,
}

impl Descriptions {
    /// The number of an offer of ours, which is pending from then on: an answer to an earlier one comes too late.
    pub fn offer(&mut self) -> u64 {
        self.ours += 1;
        self.pending = Some(self.ours);
        self.ours
    }

    /// The number of an answer of ours.
    pub fn answer(&mut self) -> u64 {
        self.ours += 1;
        self.ours
    }

    /// Our offer that waits for its answer.
    pub fn pending(&self) -> Option<u64> {
        self.pending
    }

    /// Their latest offer.
    pub fn theirs(&self) -> u64 {
        self.theirs
    }

    /// Takes their offer `d`, unless it has come before.
    pub fn is_new(&mut self, d: Option<u64>) -> bool {
        let is_new = d.is_none_or(|d| d > self.theirs);
        self.theirs = d.unwrap_or_default().max(self.theirs);
        is_new
    }

    /// Whether an answer or a refusal is for the offer that is pending, which it then no longer is.
    pub fn settles(&mut self, re: Option<u64>) -> bool {
        let settles = self.pending.is_some() && re.is_none_or(|re| self.pending == Some(re));
        if settles {
            self.pending = None;
        }
        settles
    }

    /// Our offer has been taken back.
    pub fn take_back(&mut self) {
        self.pending = None;
    }
}

#[cfg(test)]
mod tests {
    use aldis_protocol::Received;
    use serde_json::json;

    use super::*;

    fn read(x: &str) -> Numbers {
        let text = format!(r#"{{"type":"restart","from":"bob","x":{x}}}"#);
        let Ok(Received::Relayed(signal)) = Received::parse(&text) else { panic!("not relayed: {text}") };
        Numbers::of(&signal)
    }

    #[test]
    fn what_is_no_number_is_none() {
        let all = Numbers { g: Some(1), d: Some(2), re: Some(3) };
        assert_eq!(read(r#"{"g":1,"d":2,"re":3,"s":{"e":1,"n":9}}"#), all);
        assert_eq!(read(r#"{"g":0,"d":-1,"re":"3"}"#), Numbers::default());
        assert_eq!(read(r#"{"g":1.5}"#), Numbers::default());
        assert_eq!(all.to_x(), json!({ "g": 1, "d": 2, "re": 3 }));
        assert_eq!(Numbers::connection(4).to_x(), json!({ "g": 4 }));
    }

    #[test]
    fn only_the_answer_to_the_pending_offer_counts() {
        let mut descriptions = Descriptions::default();
        assert!(!descriptions.settles(None), "nothing was offered");
        let (first, second) = (descriptions.offer(), descriptions.offer());
        assert!(!descriptions.settles(Some(first)), "it was made again");
        assert!(descriptions.settles(Some(second)));
        assert!(!descriptions.settles(Some(second)), "it came twice");
        descriptions.offer();
        assert!(descriptions.settles(None), "a side without numbers");
        descriptions.offer();
        descriptions.take_back();
        assert!(!descriptions.settles(None), "it was taken back");
    }

    #[test]
    fn an_offer_counts_once() {
        let mut descriptions = Descriptions::default();
        let news = [Some(1), Some(1), Some(3), Some(2), None].map(|d| descriptions.is_new(d));
        assert_eq!(news, [true, false, true, false, true]);
        assert_eq!((descriptions.theirs(), descriptions.answer()), (3, 1));
    }
}
