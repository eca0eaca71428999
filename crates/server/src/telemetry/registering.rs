//! One way to have a metric: it is made where its name is said, so none is counted that nobody can read.

use prometheus_client::registry::{Metric, Registry, Unit};

/// Makes metrics that a registry shows.
pub(crate) trait Register {
    /// One at zero.
    fn make<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.keep(name, help, M::default())
    }

    /// One that has more to it than zero.
    fn keep<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M;

    /// One whose name is followed by its unit, seconds.
    fn keep_seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M;
}

impl Register for Registry {
    fn keep<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.register(name, help, metric.clone());
        metric
    }

    fn keep_seconds<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.register_with_unit(name, help, Unit::Seconds, metric.clone());
        metric
    }
}
