//! Which lanes work on one connection, and when is one that was refused tried again?

use std::time::Duration;

use algedonic_transport::{Error, Lane};
use tokio::time::Instant;

use crate::backoff::Backoff;

/// All lanes, in the order in which they are attached: nothing that is wrong with events keeps
/// signals waiting.
pub(crate) const LANES: [Lane; 2] = [Lane::Signal, Lane::Event];

/// The place of a lane in arrays by lane.
pub(crate) const fn index(lane: Lane) -> usize {
    match lane {
        Lane::Event => 0,
        Lane::Signal => 1,
    }
}

/// The lanes of one connection. What the broker refuses to one is that lane's own affair for as long
/// as another one works.
#[derive(Debug)]
pub(crate) struct Lanes {
    slots: [Slot; 2],
    /// When the first of them worked.
    first: Option<Instant>,
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// Why it does not work, if it was tried.
    error: Option<Error>,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unwanted,
    /// To be attached, at this time.
    Due(Instant),
    /// At work since then.
    Attached(Instant),
}

/// What to attach next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) lane: Lane,
    pub(crate) at: Instant,
    /// Whether it was refused before.
    pub(crate) again: bool,
}

impl Lanes {
    /// No lane is wanted yet. `cap` is the longest pause between two attempts at a lane.
    pub(crate) fn new(cap: Duration) -> Self {
        let slot = || Slot {
            state: State::Unwanted,
            error: None,
            backoff: Backoff::new(cap),
        };
        Self {
            slots: [slot(), slot()],
            first: None,
        }
    }

    pub(crate) fn want(&mut self, lane: Lane, wanted: bool) {
        let slot = &mut self.slots[index(lane)];
        if !wanted {
            slot.state = State::Unwanted;
            slot.error = None;
        } else if slot.state == State::Unwanted {
            slot.state = State::Due(Instant::now());
        }
    }

    pub(crate) fn attached(&mut self, lane: Lane) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        let slot = &mut self.slots[index(lane)];
        slot.state = State::Attached(now);
        slot.error = None;
    }

    /// It ended, and not by a fault.
    pub(crate) fn detached(&mut self, lane: Lane) {
        self.slots[index(lane)].state = State::Due(Instant::now());
    }

    /// It could not be attached, or broke.
    pub(crate) fn refused(&mut self, lane: Lane, error: Error) {
        let slot = &mut self.slots[index(lane)];
        let worked = match slot.state {
            State::Attached(since) => since.elapsed(),
            State::Unwanted | State::Due(_) => Duration::ZERO,
        };
        let pause = slot.backoff.after(&error, worked);
        tracing::debug!(%lane, %error, ?pause, "lane refused; next attempt after a pause");
        slot.state = State::Due(Instant::now() + pause);
        slot.error = Some(error);
    }

    /// What to attach next, and when.
    pub(crate) fn next(&self) -> Option<Next> {
        let due = LANES.into_iter().filter_map(|lane| {
            let slot = &self.slots[index(lane)];
            match slot.state {
                State::Due(at) => Some(Next {
                    lane,
                    at,
                    again: slot.error.is_some(),
                }),
                State::Unwanted | State::Attached(_) => None,
            }
        });
        // What was not tried yet comes first, and signals before events.
        due.min_by_key(|next| (next.again, next.again.then_some(next.at)))
    }

    pub(crate) fn is_attached(&self, lane: Lane) -> bool {
        matches!(self.slots[index(lane)].state, State::Attached(_))
    }

    /// What is wrong with a lane; with the signals, if with both.
    pub(crate) fn error(&self) -> Option<&Error> {
        LANES
            .into_iter()
            .find_map(|lane| self.slots[index(lane)].error.as_ref())
    }

    /// What is wrong, when none works and all that are wanted were tried: there is nothing to keep
    /// the connection for.
    pub(crate) fn hopeless(&self) -> Option<&Error> {
        let hope = self.slots.iter().any(|slot| match slot.state {
            State::Unwanted => false,
            State::Due(_) => slot.error.is_none(),
            State::Attached(_) => true,
        });
        if hope { None } else { self.error() }
    }

    /// For how long something has worked.
    pub(crate) fn worked(&self) -> Duration {
        self.first.map_or(Duration::ZERO, |first| first.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use algedonic_transport::ErrorKind;

    use super::*;

    fn conflict(lane: Lane) -> Error {
        Error::permanent(ErrorKind::Conflict, "test").with_detail(lane.to_string())
    }

    fn next(lanes: &Lanes) -> Option<(Lane, bool)> {
        lanes.next().map(|next| (next.lane, next.again))
    }

    fn both() -> Lanes {
        let mut lanes = Lanes::new(Duration::from_secs(30));
        for lane in [Lane::Event, Lane::Signal] {
            lanes.want(lane, true);
        }
        lanes
    }

    #[tokio::test(start_paused = true)]
    async fn signals_come_first_and_what_was_refused_comes_last() {
        let mut lanes = both();
        assert_eq!(next(&lanes), Some((Lane::Signal, false)));
        lanes.refused(Lane::Signal, conflict(Lane::Signal));
        assert_eq!(next(&lanes), Some((Lane::Event, false)));
        assert!(lanes.hopeless().is_none(), "events were not tried");
        lanes.attached(Lane::Event);
        assert_eq!(next(&lanes), Some((Lane::Signal, true)));
        assert!(lanes.hopeless().is_none(), "events work");
        lanes.want(Lane::Event, false);
        assert!(lanes.hopeless().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_lane_waits_ever_longer_and_its_error_goes_when_it_works() {
        let mut lanes = both();
        lanes.attached(Lane::Signal);
        for seconds in [5, 10, 20, 25] {
            lanes.refused(Lane::Event, conflict(Lane::Event));
            let at = lanes.next().expect("due").at;
            let pause = at.duration_since(Instant::now()).as_secs();
            assert!((seconds..=30).contains(&pause), "{seconds}: {pause}");
            tokio::time::sleep_until(at).await;
        }
        assert!(lanes.error().is_some());
        lanes.attached(Lane::Event);
        assert!(lanes.error().is_none() && lanes.next().is_none());
        assert!(lanes.worked() > Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_errors_that_of_the_signals_is_told() {
        let mut lanes = both();
        for lane in [Lane::Signal, Lane::Event] {
            lanes.refused(lane, conflict(lane));
        }
        let told = lanes.hopeless().expect("both refused").to_string();
        assert!(told.contains(&Lane::Signal.to_string()), "{told}");
        lanes.want(Lane::Signal, false);
        let told = lanes.error().expect("events").to_string();
        assert!(told.contains(&Lane::Event.to_string()), "{told}");
    }
}
