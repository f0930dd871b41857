//! Which messages are to be published again, and how carefully?

use std::collections::VecDeque;

use tokio::time::Instant;

use super::parcel::{Late, Parcel};

/// The messages that were on a channel when it ended, in the order of their publishing, and that
/// have time left. They are published again, with the same ids, before any other.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    parcels: VecDeque<Box<Parcel>>,
    /// One of them has cost the others their channel.
    careful: Option<Careful>,
}

/// A batch that is answered makes the next one twice as large, one that ends its channel the next one a
/// quarter: so the one to blame is soon alone.
#[derive(Debug)]
struct Careful {
    limit: usize,
    /// So many of the present batch are on the channel, or were answered.
    handed: usize,
}

impl Unconfirmed {
    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Puts back what was taken, and was not confirmed: `parcels`, in the order of their publishing.
    /// `suspect`: one of them is to blame for the end of the channel.
    #[expect(
        clippy::vec_box,
        reason = "a parcel is large, and moved from queue to queue"
    )]
    pub(super) fn put_back(&mut self, parcels: Vec<Box<Parcel>>, suspect: bool) {
        if let Some(careful) = &mut self.careful {
            careful.handed = 0;
        }
        if suspect && !parcels.is_empty() {
            // Fewer than there are, or it would never be alone.
            self.careful = Some(Careful {
                limit: (parcels.len() / 4).max(1),
                handed: 0,
            });
        }
        for parcel in parcels.into_iter().rev() {
            self.parcels.push_front(parcel);
        }
    }

    /// The next to be published again, while `in_flight` are on the channel.
    pub(super) fn next(&mut self, in_flight: usize) -> Option<Box<Parcel>> {
        if in_flight == 0 && self.parcels.is_empty() {
            self.careful = None;
        }
        if let Some(careful) = &mut self.careful {
            if in_flight == 0 && careful.handed > 0 {
                careful.limit = careful.limit.saturating_mul(2);
                careful.handed = 0;
            }
            if careful.handed >= careful.limit {
                return None;
            }
            careful.handed += 1;
        }
        self.parcels.pop_front()
    }

    /// When [`expire`](Self::expire) will next have something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.parcels.iter().map(|parcel| parcel.deadline).min()
    }

    /// Lets go of those whose time is over.
    pub(super) fn expire(&mut self, now: Instant, late: &mut Vec<Late>) {
        self.parcels.retain_mut(|parcel| {
            let is_late = parcel.deadline <= now;
            if is_late {
                late.extend(parcel.expire());
            }
            !is_late
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc, time::Duration};

    use algedonic_transport::{EventId, Key, Lane, Message, Metadata, Outcome};
    use proptest::prelude::*;
    use tokio::sync::oneshot;

    use super::*;
    use crate::tally::{Tally, Ticket};

    type Answer = oneshot::Receiver<Result<Outcome, algedonic_transport::Error>>;

    /// The parcel number so and so; its number is its id.
    fn parcel(number: usize, tally: &Arc<Tally>, deadline: Instant) -> (Box<Parcel>, Answer) {
        let mut metadata = Metadata::new(Key::from_static("test"), "test");
        metadata.id = EventId::from_u128(number as u128);
        let (mut ticket, answer) = Ticket::new(tally);
        ticket.hand_over();
        let parcel = Parcel {
            encoded: None,
            message: Message::new(metadata, Lane::Event, "text/plain", "body"),
            place: None,
            ticket: Some(ticket),
            deadline,
        };
        (Box::new(parcel), answer)
    }

    #[expect(clippy::borrowed_box, reason = "as it is kept")]
    fn number(parcel: &Box<Parcel>) -> usize {
        usize::try_from(parcel.message.metadata.id.as_u128()).expect("small")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        /// A broker that closes the channel at the first bad message, and has answered some of those before
        /// it: each bad one ends alone, each good one gets through, in order, and few channels are lost.
        #[test]
        fn the_ones_to_blame_are_found_and_their_neighbours_get_through_in_order(
            count in 1_usize..400,
            bad in prop::collection::btree_set(0_usize..400, 0..6),
            answered in prop::collection::vec(any::<prop::sample::Index>(), 200),
        ) {
            let bad: BTreeSet<usize> = bad.into_iter().filter(|at| *at < count).collect();
            let tally = Arc::default();
            let later = Instant::now() + Duration::from_secs(3600);
            let (parcels, _answers): (Vec<_>, Vec<_>) =
                (0..count).map(|at| parcel(at, &tally, later)).unzip();
            let mut unconfirmed = Unconfirmed::default();
            unconfirmed.put_back(parcels, !bad.is_empty());
            let (mut through, mut refused, mut lost) = (Vec::new(), Vec::new(), 0);
            loop {
                let mut channel = Vec::new();
                while let Some(parcel) = unconfirmed.next(channel.len()) {
                    channel.push(parcel);
                }
                if channel.is_empty() {
                    break;
                }
                let first_bad = channel.iter().position(|parcel| bad.contains(&number(parcel)));
                let Some(first_bad) = first_bad else {
                    through.extend(channel.iter().map(number));
                    continue;
                };
                // What was answered before the channel went; what was not is published a second time.
                let known = answered[lost % answered.len()].index(first_bad + 1);
                let mut rest = channel.split_off(known);
                through.extend(channel.iter().map(number));
                lost += 1;
                if rest.len() == 1 {
                    refused.extend(rest.pop().as_ref().map(number));
                }
                unconfirmed.put_back(rest, true);
            }
            prop_assert!(unconfirmed.is_empty());
            prop_assert_eq!(refused, bad.iter().copied().collect::<Vec<_>>());
            let good: Vec<usize> = (0..count).filter(|at| !bad.contains(at)).collect();
            prop_assert_eq!(through, good);
            prop_assert!(lost <= 12 * bad.len(), "{} channels for {} messages", lost, bad.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_at_the_deadline_whatever_the_order() {
        let tally = Arc::default();
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut unconfirmed = Unconfirmed::default();
        let (parcels, answers): (Vec<_>, Vec<_>) = [3, 1, 2]
            .map(|seconds| {
                parcel(
                    seconds,
                    &tally,
                    now + second * u32::try_from(seconds).expect("small"),
                )
            })
            .into_iter()
            .unzip();
        unconfirmed.put_back(parcels, true);
        assert_eq!(unconfirmed.deadline(), Some(now + second));
        let mut late = Vec::new();
        unconfirmed.expire(now + 2 * second, &mut late);
        late.into_iter().for_each(Late::tell);
        assert_eq!(tally.waiting(), 1);
        assert_eq!(unconfirmed.next(0).as_ref().map(number), Some(3));
        assert!(unconfirmed.is_empty());
        for (answer, late) in answers.into_iter().zip([false, true, true]) {
            let told = answer.await.expect("each is told");
            let unknown =
                matches!(told, Ok(Outcome::Unknown { ref reason }) if reason.contains("deadline"));
            assert_eq!(unknown, late, "{told:?}");
        }
    }
}
