use std::time::{Duration, SystemTime};

use algedonic_transport::{CorrelationId, Error, ErrorKind, EventId, Key, Lane, Message, Metadata};
use proptest::prelude::*;
use tokio::time::Instant;

use super::felt::Felt;
use crate::{
    Feeling, Level,
    spool::{LossCause, Lost, Notice, Record},
};

const HOLD: u64 = 5;
/// How long a pain that lasts is not raised again: the first time, and at most.
const AGAIN: [u64; 2] = [60, 3_600];

/// What a spool tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    Lost,
    Broken,
    Mended,
}

/// What is said: when, of what, which feeling, and the count.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    at: u64,
    metric: String,
    feeling: Feeling,
    count: u64,
}

fn lost() -> Lost {
    let metadata = Metadata::new(Key::from_static("test.kept"), "here");
    let message = Message::new(metadata, Lane::Signal, "text/plain", "x");
    Lost::new(
        Record::new(1, SystemTime::UNIX_EPOCH, message),
        LossCause::Full,
    )
}

fn notice(tells: Tells) -> Notice {
    match tells {
        Tells::Lost => Notice::Lost(lost()),
        Tells::Broken => Notice::Broken(Error::transient(ErrorKind::Unavailable, "write")),
        Tells::Mended => Notice::Mended,
    }
}

/// What is said when a spool tells this at these seconds, and every signal that is said takes the room of a record
/// in it, by one that sleeps as long as it is told to.
fn said(story: &[(u64, Tells)]) -> Vec<Said> {
    let (start, mut said) = (Instant::now(), Vec::new());
    let mut felt = Felt::new(Duration::from_secs(HOLD));
    let mut look = |felt: &mut Felt, at: Instant| {
        while let Some(signal) = felt.due(at) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small"
            )]
            let count = signal.value.expect("a count") as u64;
            said.push(Said {
                at: (at - start).as_secs(),
                metric: signal.metric,
                feeling: signal.feeling,
                count,
            });
            assert!(said.len() < 10_000, "it has no end");
            let id = CorrelationId::from(EventId::new());
            felt.raised(id.clone());
            let own = Notice::Lost(lost().made_room_for(id));
            assert_eq!(felt.note(&own, at), None);
        }
    };
    for (second, tells) in story {
        let at = start + Duration::from_secs(*second);
        while let Some(next) = felt.next().filter(|next| *next <= at) {
            look(&mut felt, next);
        }
        assert_eq!(felt.note(&notice(*tells), at), None);
        look(&mut felt, at);
    }
    while let Some(next) = felt.next() {
        look(&mut felt, next);
    }
    said
}

fn of<'a>(said: &'a [Said], metric: &str) -> Vec<&'a Said> {
    said.iter().filter(|said| said.metric == metric).collect()
}

/// Seconds at which something is told, one after another: often at once, seldom after long.
fn stories() -> impl Strategy<Value = Vec<(u64, Tells)>> {
    let gap = prop_oneof![6 => 0..HOLD, 3 => 0..3 * HOLD, 1 => 0..500_u64];
    let tells = prop_oneof![
        2 => Just(Tells::Lost),
        1 => Just(Tells::Broken),
        1 => Just(Tells::Mended),
    ];
    prop::collection::vec((gap, tells), 0..200).prop_map(|steps| {
        let mut second = 0;
        let at = |(gap, tells)| {
            second += gap;
            (second, tells)
        };
        steps.into_iter().map(at).collect()
    })
}

/// Pleasure comes after it was well for the hold, and each pain until then after twice the pause before it.
fn takes_its_time(said: &[&Said], bad: impl Fn(u64) -> bool) -> Result<(), TestCaseError> {
    let (mut last, mut pause) = (None, AGAIN[0]);
    for said in said {
        if said.feeling == Feeling::Pleasure {
            prop_assert!(last.take().is_some(), "pleasure without pain");
            prop_assert!(!(said.at - HOLD + 1..said.at).any(&bad), "at {}", said.at);
            pause = AGAIN[0];
        } else if let Some(before) = last.replace(said.at) {
            prop_assert!(said.at >= before + pause, "at {}", said.at);
            pause = (2 * pause).min(AGAIN[1]);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// However it flaps, and though each signal about it costs a record.
    #[test]
    fn a_spool_hurts_once_until_it_was_well_for_the_hold(story in stories()) {
        let all = said(&story);
        let losses = of(&all, "spool.lost");
        let is_loss = |at| story.contains(&(at, Tells::Lost));
        takes_its_time(&losses, is_loss)?;
        let disk = of(&all, "spool.disk");
        takes_its_time(&disk, |at| story.contains(&(at, Tells::Broken)))?;
        prop_assert_eq!(losses.len() + disk.len(), all.len());
        // All is told, each thing once, with what the signals have cost but for the last of them.
        let told = story.iter().filter(|(_, tells)| *tells == Tells::Lost).count() as u64;
        let pleasures = losses.iter().filter(|said| said.feeling == Feeling::Pleasure);
        let counted: u64 = pleasures.map(|said| said.count).sum();
        prop_assert!((told..=told + all.len() as u64).contains(&counted) || told == 0);
        if told == 0 {
            prop_assert!(losses.is_empty());
        } else {
            prop_assert_eq!(losses.last().expect("some").feeling, Feeling::Pleasure);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// What lasts for long is told again, ever more seldom.
    #[test]
    fn what_lasts_is_a_few_pains(seconds in 0..12_000_u64) {
        let story: Vec<_> = (0..=seconds).map(|at| (at, Tells::Lost)).collect();
        let all = said(&story);
        let pains: Vec<u64> = all.iter().filter(|said| said.feeling == Feeling::Pain).map(|said| said.at).collect();
        let (mut expected, mut pause) = (vec![0], AGAIN[0]);
        while expected.last().expect("one") + pause < seconds + HOLD {
            expected.push(expected.last().expect("one") + pause);
            pause = (2 * pause).min(AGAIN[1]);
        }
        prop_assert_eq!(pains, expected);
        prop_assert_eq!(all.last().expect("pleasure").at, seconds + HOLD);
    }
}

#[test]
fn where_small_writes_succeed_and_large_ones_fail_is_one_pain() {
    let flaps = (0..50).flat_map(|at| [(at, Tells::Broken), (at, Tells::Mended)]);
    let all = said(&flaps.collect::<Vec<_>>());
    let disk = |at, feeling, count| Said {
        at,
        metric: "spool.disk".to_owned(),
        feeling,
        count,
    };
    let expected = [
        disk(0, Feeling::Pain, 1),
        disk(49 + HOLD, Feeling::Pleasure, 50),
    ];
    assert_eq!(all, expected);
}

#[test]
fn what_the_signal_itself_costs_is_counted_with_the_next() {
    let all = said(&[(0, Tells::Lost), (100, Tells::Lost)]);
    let said: Vec<_> = all.iter().map(|said| (said.at, said.count)).collect();
    // A loss, which costs one; the pleasure costs one more; and so on.
    assert_eq!(said, [(0, 1), (5, 2), (100, 2), (105, 3)]);
}

#[test]
fn each_has_its_level() {
    let now = Instant::now();
    let mut felt = Felt::new(Duration::from_secs(HOLD));
    felt.note(&notice(Tells::Lost), now);
    felt.note(&notice(Tells::Broken), now);
    let signals: Vec<_> = std::iter::from_fn(|| felt.due(now)).collect();
    let levels: Vec<_> = signals.iter().map(|it| (&*it.metric, it.level)).collect();
    let expected = [("spool.disk", Level::Critical), ("spool.lost", Level::High)];
    assert_eq!(levels, expected);
    assert_eq!(felt.next(), Some(now + Duration::from_secs(HOLD)));
}
