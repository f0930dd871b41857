//! Does what is published here, and wanted here as well, come back here?
//!
//! Nobody is told of a binding that goes, least of all its queue. But a message that finds no queue at all
//! comes back to its publisher; and if its own instance wants such messages, then that one's binding is
//! missing.

use std::sync::{Arc, OnceLock};

use algedonic_transport::{Key, Lane, Pattern};
use tokio::sync::Notify;

/// What this instance wants of each lane, and whether one of its own messages shows that it does not get it.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    events: Ear,
    signals: Ear,
    commands: Ear,
}

#[derive(Debug, Default)]
struct Ear {
    interest: OnceLock<Arc<[Pattern]>>,
    missed: Notify,
}

impl Hearing {
    fn of(&self, lane: Lane) -> &Ear {
        match lane {
            Lane::Event => &self.events,
            Lane::Signal => &self.signals,
            Lane::Command => &self.commands,
        }
    }

    /// These are wanted from now on. A lane is received once.
    pub(crate) fn wants(&self, lane: Lane, interest: &Arc<[Pattern]>) {
        let _ = self.of(lane).interest.set(interest.clone());
    }

    /// No queue has taken a message with this key.
    pub(crate) fn unrouted(&self, lane: Lane, key: &Key) {
        let ear = self.of(lane);
        let wanted = ear.interest.get().into_iter().flat_map(|all| all.iter());
        if wanted.into_iter().any(|pattern| pattern.matches(key)) {
            ear.missed.notify_one();
        }
    }

    /// Completes when one was not routed that should have come here.
    pub(crate) async fn missed(&self, lane: Lane) {
        self.of(lane).missed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn only_what_is_wanted_here_is_missed_here() {
        let hearing = Hearing::default();
        let missed = |lane| hearing.missed(lane).now_or_never().is_some();
        let key = Key::from_static("a.b");
        hearing.unrouted(Lane::Event, &key);
        assert!(!missed(Lane::Event), "nothing is wanted yet");
        let interest: Vec<_> = ["a.*", "c"]
            .map(|text| Pattern::new(text).expect("a pattern"))
            .into();
        hearing.wants(Lane::Event, &interest.into());
        hearing.unrouted(Lane::Event, &Key::from_static("b"));
        hearing.unrouted(Lane::Signal, &key);
        assert!(!missed(Lane::Event) && !missed(Lane::Signal));
        hearing.unrouted(Lane::Event, &key);
        hearing.unrouted(Lane::Event, &key);
        assert!(missed(Lane::Event), "told to who looks later, too");
        assert!(!missed(Lane::Event), "once");
    }
}
