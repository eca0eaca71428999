//! Two sides, a relay, and what befalls them: one run of the model, which depends on its seed alone.

use crate::{
    checker::{Checker, Letter, Stay},
    endpoint::{Departed, Endpoint},
    habits::{BURSTS, CRASH_NOTICES_MS, Habit, LIVELY_MS, NOTICES_MS, OUTAGES_MS, QUIET_MS, TURNS},
    halves::{AnyStream, Real},
    relay::{Relay, Weather},
    scene::{Event, LineId, Log, Scene},
    talk::{Pace, Timers},
};

/// What a mutant changes.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) create_stream: fn(epoch: u32) -> Box<dyn AnyStream>,
    pub(crate) next_stay: fn(previous: Stay) -> Stay,
    pub(crate) departed: Departed,
}

/// The rules as they are: a stay that comes too late goes on under a new id, and one that has left is dead.
pub(crate) const RULES: Rules = Rules {
    create_stream: |epoch| Box::new(Real::new(epoch)),
    next_stay: |previous| Stay { number: previous.number + 1, ..previous },
    departed: Departed::Dead,
};

/// The run of a seed.
pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) sides: [Endpoint; 2],
    /// How long a side that has lost its connection has none, where chance does not say it.
    pub(crate) outage_ms: Option<u64>,
    relay: Relay,
    letters: u64,
}

impl World {
    pub(crate) fn new(seed: u32, rules: Rules) -> Self {
        Self::of(Scene::new(seed, Log::Off), rules)
    }

    fn of(scene: Scene, rules: Rules) -> Self {
        let sides = [0, 1].map(|side| Endpoint::new(side, rules));
        Self { scene, sides, outage_ms: None, relay: Relay::new(rules.next_stay), letters: 0 }
    }

    /// Tells what happens with a seed, line by line, and what the checker made of it.
    pub(crate) fn tell(seed: u32, rules: Rules) -> (Vec<String>, Checker) {
        let mut world = Self::of(Scene::new(seed, Log::On(Vec::new())), rules);
        world.live();
        let checker = std::mem::take(&mut world.scene.checker);
        (world.scene.into_lines(), checker)
    }

    /// Lets everything happen.
    pub(crate) fn run(mut self) -> Checker {
        self.live();
        self.scene.checker
    }

    fn live(&mut self) {
        for side in 0..self.sides.len() {
            self.connect(side);
            for habit in [Habit::Write, Habit::Cut, Habit::Leave, Habit::Temper] {
                self.again(habit, side);
            }
        }
        self.again(Habit::Crash, 0);
        self.turn(Weather::Calm);
        self.run_until(LIVELY_MS);
        self.finish();
    }

    /// Gives everything the time that it may take.
    pub(crate) fn finish(&mut self) {
        self.set_weather(Weather::Calm);
        self.run_until(self.scene.agenda.now() + QUIET_MS);
        self.scene.checker.finish(self.scene.agenda.now());
    }

    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some(event) = self.scene.agenda.next_until(end) {
            self.handle(event);
        }
    }

    pub(crate) fn connect(&mut self, side: usize) {
        self.sides[side].connect(&mut self.scene, &mut self.relay);
    }

    fn handle(&mut self, event: Event) {
        let Self { scene, sides, relay, .. } = self;
        match event {
            Event::Brings { line, delivery } => {
                let side = scene.lines[line].side;
                if scene.is_open(line) && sides[side].deliver(line, delivery, scene, relay) {
                    self.observe();
                }
            }
            Event::Rises { crashes, line, frame } => relay.rise(crashes, line, frame, scene),
            Event::Resumes { crashes, frame, time } => relay.resume(crashes, frame, time, scene),
            Event::Says { crashes, line, news } => relay.say(crashes, line, news, scene),
            Event::Lapses { stay, line } => relay.lapse(stay, line, scene),
            Event::RelayLoses(line) => relay.lose(line, scene),
            Event::SideLoses(line) => self.lose(line),
            Event::Reconnects { side } => {
                if sides[side].line().is_none() {
                    self.connect(side);
                }
                self.observe();
            }
            Event::Wakes { side, talk, at } => sides[side].wake(talk, at, scene, relay),
            Event::GivesUp { side, talk } => sides[side].give_up(talk, scene),
            Event::Again { habit, side } => {
                if scene.agenda.now() < LIVELY_MS {
                    self.act(habit, side);
                    self.observe();
                    self.again(habit, side);
                }
            }
            Event::Turns(weather) => {
                if scene.agenda.now() < LIVELY_MS {
                    self.turn(weather);
                }
            }
            Event::Writes { side, count } => self.write(side, count),
            Event::Cuts { side, relay_after_ms, side_after_ms } => self.cut(side, relay_after_ms, side_after_ms),
        }
    }

    /// Does something again, while things happen.
    fn again(&mut self, habit: Habit, side: usize) {
        let ms = self.scene.chance.between(habit.pause_ms());
        self.scene.agenda.after(ms, Event::Again { habit, side });
    }

    fn act(&mut self, habit: Habit, side: usize) {
        let chance = &mut self.scene.chance;
        match habit {
            Habit::Write => {
                let count = chance.of_ranges(&BURSTS);
                self.write(side, count);
            }
            Habit::Cut => {
                let (relay_after_ms, side_after_ms) = (chance.of_ranges(&NOTICES_MS), chance.of_ranges(&NOTICES_MS));
                self.cut(side, relay_after_ms, side_after_ms);
            }
            Habit::Leave => {
                if self.sides[side].leave(&mut self.scene, &mut self.relay) {
                    self.lost(side);
                }
            }
            Habit::Temper => self.temper(side),
            Habit::Crash => self.crash(),
        }
    }

    /// A side writes so many messages to the peer that it knows.
    fn write(&mut self, side: usize, count: u64) {
        let Self { scene, sides, relay, .. } = self;
        let Some(to) = sides[side].peer() else {
            return;
        };
        for _ in 0..count {
            self.letters += 1;
            let letter = Letter { id: self.letters, from: scene.stays[side], to, sent_at: scene.agenda.now() };
            if sides[side].write(letter, scene) {
                scene.checker.sent(letter);
            }
        }
        sides[side].flush(scene, relay);
    }

    /// Cuts a connection. The relay and the side notice so much later.
    fn cut(&mut self, side: usize, relay_after_ms: u64, side_after_ms: u64) {
        let Some(line) = self.sides[side].line() else {
            return;
        };
        let stay = self.scene.stays[side];
        self.scene.log(format_args!("world: the connection of {stay} is cut"));
        self.scene.cut(line);
        self.scene.agenda.after(relay_after_ms, Event::RelayLoses(line));
        self.scene.agenda.after(side_after_ms, Event::SideLoses(line));
    }

    fn lose(&mut self, line: LineId) {
        let side = self.scene.lines[line].side;
        if self.sides[side].lose(line, &mut self.scene) {
            self.lost(side);
        }
    }

    /// A connection begins again, mostly soon, and sometimes too late for the stay.
    fn lost(&mut self, side: usize) {
        let ms = self.outage_ms.unwrap_or_else(|| self.scene.chance.of_ranges(&OUTAGES_MS));
        self.scene.agenda.after(ms, Event::Reconnects { side });
        self.observe();
    }

    fn crash(&mut self) {
        self.scene.log(format_args!("world: the relay crashes"));
        self.relay.crash(&mut self.scene);
        for line in self.sides.iter().filter_map(Endpoint::line) {
            let ms = self.scene.chance.of_ranges(&CRASH_NOTICES_MS);
            self.scene.agenda.after(ms, Event::SideLoses(line));
        }
    }

    fn temper(&mut self, side: usize) {
        let late = self.scene.chance.happens(0.2);
        let slow = self.scene.chance.happens(0.2);
        let endpoint = &mut self.sides[side];
        endpoint.condition.timers = if late { Timers::Late } else { Timers::Exact };
        endpoint.condition.pace = if slow { Pace::Slow } else { Pace::Fast };
        endpoint.flush(&mut self.scene, &self.relay);
    }

    fn turn(&mut self, weather: Weather) {
        self.set_weather(weather);
        let chance = &mut self.scene.chance;
        let next = if weather == Weather::Calm { chance.one_of(&TURNS) } else { Weather::Calm };
        let ms = chance.between(weather.lasts_ms());
        self.scene.agenda.after(ms, Event::Turns(next));
    }

    fn set_weather(&mut self, weather: Weather) {
        self.scene.log(format_args!("world: {}", weather.name()));
        self.relay.set_weather(weather, &mut self.scene);
        self.observe();
    }

    /// The way between the two is free where both are attached, reach each other, and nothing gets lost.
    fn observe(&mut self) {
        let Self { scene, sides, relay, .. } = self;
        let [a, b] = scene.stays;
        let free = relay.weather == Weather::Calm
            && relay.hears(a, scene)
            && relay.hears(b, scene)
            && sides[0].reaches(b, scene)
            && sides[1].reaches(a, scene);
        scene.observe(free);
    }
}
