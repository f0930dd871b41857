//! What hurts when the bus itself is not well for long, and when is it well again?

mod condition;
mod signs;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

pub(crate) use self::{signs::Signs, watch::Watch};

/// What [`Bus::watch`](crate::Bus::watch) looks at, and what of it hurts (requirements 0.22, 1.19, 1.20).
///
/// | metric | pain, when | level | pleasure, when for the [hold](Self::hold) |
/// |---|---|---|---|
/// | `mirror.down` | the mirror's link is not up for [30 s](Self::mirror_down) | `High` | it is up |
/// | `spool.filling.LANE` | a lane of the spool is at [80 %](Self::spool_filling) of its bound | `High` | it is below 60 % |
/// | `health` | the bus is degraded or worse for [60 s](Self::health) | `Medium` | it is healthy |
/// | `health.unhealthy` | the bus is unhealthy for as long | `Critical` | it is not unhealthy |
/// | `subscriber.lagging.TYPE` | subscribers have dropped events, at once; or one is full for [10 s](Self::subscriber_full) | `Medium` | none drops any, and all are at half or less |
///
/// `LANE` is `events` or `signals`; `TYPE` is the name of the type of event, or the pattern that is subscribed to: its
/// subscribers are told together.
///
/// Each metric hurts and is well again by itself: pain and pleasure take turns, pleasure has the level of the pain that it
/// ends, and within one hold there is at most one of each. What has to last is over only when it was well for the hold: a
/// link that comes up for a moment every few seconds is down. What is over between two looks is not seen, but for events
/// that were dropped, which are counted.
///
/// The value is for how many seconds it has lasted (`mirror.down`, `health`), how many bytes are in the lane, or how many
/// events were dropped: until the pain was raised, and in all when it ends; where none was, how many wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    interval: Duration,
    hold: Duration,
    mirror_down: Duration,
    health: Duration,
    subscriber_full: Duration,
    filling: u8,
    drained: u8,
}

impl Vitals {
    /// With the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks so often; default 1 s, at least 10 ms. A look takes the lock of each type of event for a moment, to read its
    /// books.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(10));
        self
    }

    /// For how long it has to be well before that is said; default 5 s, as that of [`Alarms`](crate::Alarms). With none
    /// each look that finds it well ends the pain.
    pub const fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// For how long the mirror's link may be anything but up; default 30 s (ours). A broker that is restarted, or a failover
    /// behind one address, is back within that; it is also the longest pause between two attempts to connect over AMQP, so
    /// that a link that is still away has failed more than once.
    pub const fn mirror_down(mut self, time: Duration) -> Self {
        self.mirror_down = time;
        self
    }

    /// For how long [`Health::status`](crate::Health::status) may be worse than healthy; default 60 s (ours): twice the time
    /// of the mirror, because what makes it so mostly has a pain of its own, and ends by itself.
    pub const fn health(mut self, time: Duration) -> Self {
        self.health = time;
        self
    }

    /// For how long a subscriber may be full; default 10 s (ours). One that was flooded for a moment reads what it has
    /// within that; and those that drop events hurt at once.
    pub const fn subscriber_full(mut self, time: Duration) -> Self {
        self.subscriber_full = time;
        self
    }

    /// How full, in percent of its bound, a lane of the spool is when it hurts, and below what it is well again; default 80
    /// and 60 (ours). The second is taken as the first where it is more. A spool that has no
    /// [bound](crate::spool::LaneStatus::bound) never fills.
    pub const fn spool_filling(mut self, percent: u8, well_below: u8) -> Self {
        self.filling = percent;
        self.drained = if well_below < percent {
            well_below
        } else {
            percent
        };
        self
    }

    pub(crate) const fn pause(&self) -> Duration {
        self.interval
    }
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            hold: Duration::from_secs(5),
            mirror_down: Duration::from_secs(30),
            health: Duration::from_secs(60),
            subscriber_full: Duration::from_secs(10),
            filling: 80,
            drained: 60,
        }
    }
}
