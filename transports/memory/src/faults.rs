use algedonic_transport::{Error, ErrorKind};

use crate::{broker::Broker, clock::Due, script::Faults, shared::Later, state::State};

/// Which faults are switched on, or counted down.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    pub(crate) stopped: bool,
    pub(crate) hold_confirms: bool,
    blocked: bool,
    reject: usize,
    lose_confirms: usize,
    deliver_twice: usize,
}

/// Faults on demand.
impl Broker {
    /// From now on these faults happen, in place of those that were injected before, at the chosen
    /// messages: cuts before the arrival or the confirm, delays, duplicates, and more. The counts of the script begin
    /// here. Nothing goes wrong any more after `inject(Faults::new())`; what has begun (a delay, a connection
    /// that is away) ends in its time.
    pub fn inject(&self, faults: Faults) {
        self.shared.change(|state| state.faults = faults);
    }

    /// The faults of the script that never happened, in words: a test whose fault does not happen proves nothing.
    pub fn unused_faults(&self) -> Vec<String> {
        self.shared.change(|state| state.faults.unused())
    }

    /// The latest 1,024 faults that were injected and happened, in words, the oldest first.
    pub fn fault_log(&self) -> Vec<String> {
        self.shared.change(|state| state.faults.log())
    }

    /// Takes the broker away: links go down, what was in flight is
    /// [`Unknown`](algedonic_transport::Outcome::Unknown), what was not settled will come again, and what is not persistent
    /// is lost (and counted, see [`losses`](Self::losses)). Queues and dead letters stay.
    pub fn stop(&self) {
        self.shared.change(|state| {
            // What a fault has begun does not end this.
            state.due.retain(|(_, what)| *what != Due::Start);
            state.stop();
        });
    }

    /// Brings the broker back: links come up by themselves.
    pub fn start(&self) {
        self.shared.change(State::start);
    }

    /// From now on stores messages and tells no outcome: they pass the window of their sender, and
    /// then their deadline.
    pub fn hold_confirms(&self) {
        self.shared
            .change(|state| state.switches.hold_confirms = true);
    }

    /// Tells the outcomes that were held, in order, and from now on each at once.
    pub fn release_confirms(&self) {
        self.shared.change(State::release_confirms);
    }

    /// Refuses the next `messages` as [`Rejected`](algedonic_transport::Outcome::Rejected), whoever sends them.
    pub fn reject_next(&self, messages: usize) {
        self.shared
            .change(|state| state.switches.reject += messages);
    }

    /// Asks every sender for silence, as a broker does that runs out of memory: links are
    /// [`Blocked`](algedonic_transport::LinkState::Blocked), messages refused. Receivers go on.
    pub fn block(&self) {
        self.shared.change(|state| {
            state.due.retain(|(_, what)| *what != Due::Unblock);
            state.block(true);
        });
    }

    /// Ends the silence.
    pub fn unblock(&self) {
        self.shared.change(|state| state.block(false));
    }

    /// Stores the next `messages` that somebody wants, and tells their senders at once that the
    /// outcome is [`Unknown`](algedonic_transport::Outcome::Unknown).
    pub fn lose_confirms(&self, messages: usize) {
        self.shared
            .change(|state| state.switches.lose_confirms += messages);
    }

    /// Cuts the connection of one receiver, which is up again at once: what it sent and was in
    /// flight is [`Unknown`](algedonic_transport::Outcome::Unknown), what it took and did not settle comes again. Its
    /// link tells by the count of connects.
    pub fn redeliver(&self, name: &str) {
        self.shared.change(|state| state.redeliver(name));
    }

    /// Stores the next `messages` that somebody wants twice, as a sender does that repeats what it
    /// takes for lost: neither copy is marked as redelivered.
    pub fn deliver_twice(&self, messages: usize) {
        self.shared
            .change(|state| state.switches.deliver_twice += messages);
    }
}

/// Why a link is down.
pub(crate) fn out_of_reach() -> Error {
    Error::transient(ErrorKind::Unavailable, "reach the broker").with_detail("it is stopped")
}

impl Switches {
    /// Why links are blocked, if they are.
    pub(crate) fn blocked(&self) -> Option<Error> {
        self.blocked.then(|| {
            Error::transient(ErrorKind::Unavailable, "use the link")
                .with_detail("the broker asks for silence")
        })
    }

    /// Whether to reject this message.
    pub(crate) fn reject(&mut self) -> bool {
        one_of(&mut self.reject)
    }

    /// Whether to lose the confirm of this message.
    pub(crate) fn lose_confirm(&mut self) -> bool {
        one_of(&mut self.lose_confirms)
    }

    /// Whether to store this message twice.
    pub(crate) fn deliver_twice(&mut self) -> bool {
        one_of(&mut self.deliver_twice)
    }
}

impl State {
    fn release_confirms(&mut self) {
        self.switches.hold_confirms = false;
        for id in self.connected() {
            if let Some(connection) = self.connections.get_mut(&id) {
                let held = connection.take_released().into_iter();
                self.later
                    .extend(held.map(|held| Later::Tell(held.tell, held.outcome)));
            }
            self.end_if_done(id);
        }
    }

    pub(crate) fn block(&mut self, blocked: bool) {
        self.switches.blocked = blocked;
        if !self.switches.stopped {
            let connected = self.connections.values().filter(|it| it.is_connected());
            for connection in connected {
                connection.is_blocked(self.switches.blocked());
            }
        }
    }
}

fn one_of(left: &mut usize) -> bool {
    let any = *left > 0;
    *left -= usize::from(any);
    any
}
