/// Why a call is not tried again, although what the last attempt said can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUp {
    /// It had all the attempts that a call may have.
    Attempts,
    /// All calls together have used up the budget of retries.
    Budget,
    /// The dependency asked for a longer pause than `max_retry_after`.
    RetryAfter,
    /// The next attempt would begin after `max_elapsed`, or after the timeout around it.
    Time,
}

impl GaveUp {
    pub(super) const ALL: [Self; 4] = [Self::Attempts, Self::Budget, Self::RetryAfter, Self::Time];
}
