//! The locks, in one place so that the order test can swap them for ones whose schedule it controls.

#[cfg(not(feature = "shuttle"))]
pub(crate) use parking_lot::Mutex;

/// shuttle's mutex behind parking_lot's interface.
#[cfg(feature = "shuttle")]
#[derive(Debug)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

#[cfg(feature = "shuttle")]
impl<T> Mutex<T> {
    /// A new mutex.
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    /// Locks it.
    pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(feature = "shuttle")]
impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
