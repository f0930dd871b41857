use proptest::prelude::*;

use super::model::{Model, assert_within};
use crate::resilience::{
    probe::CASES,
    rate_limit::core::{Core, Token},
};

#[derive(Clone, Copy, Debug)]
enum Act {
    /// One of the tokens that were taken is given back.
    GiveBack(usize),
    /// Takes one that counts within so long.
    Take(u64),
    Tick(u64),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let most = prop_oneof![Just(0), 0_u64..200, Just(u64::MAX)];
    let act = prop_oneof![
        8 => most.prop_map(Act::Take),
        3 => any::<usize>().prop_map(Act::GiveBack),
        4 => (0_u64..60).prop_map(Act::Tick),
        1 => (0_u64..1_000).prop_map(Act::Tick),
    ];
    prop::collection::vec(act, 1..80)
}

fn limits() -> impl Strategy<Value = (u64, u32)> {
    (1_u64..40, 1_u32..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// On every trace, with tokens that are taken ahead and given back; none is given back twice (RL-5).
    #[test]
    fn rl_2_the_core_and_the_model_agree((interval, burst) in limits(), acts in acts()) {
        let core = Core::new(interval, burst);
        let mut model = Model::new(interval, burst);
        // Those that may be given back, and the place of each in the model.
        let mut held: Vec<(Token, usize)> = Vec::new();
        let mut now = 0;
        for act in acts {
            match act {
                Act::Take(most) => {
                    let taken = core.take(now, most);
                    prop_assert_eq!(taken.map(|token| token.at), model.take(now, most));
                    held.extend(taken.map(|token| (token, model.times.len() - 1)));
                }
                Act::GiveBack(token) if !held.is_empty() => {
                    let (token, number) = held.remove(token % held.len());
                    prop_assert_eq!(core.give_back(token), model.give_back(number));
                }
                Act::GiveBack(_) => {}
                Act::Tick(time) => now += time,
            }
            prop_assert_eq!(core.available(now), model.available(now));
            prop_assert_eq!(core.has_room(now), model.available(now) > 0);
        }
        assert_within(&model.times, interval, burst);
    }

    /// Whatever comes when, refused or not.
    #[test]
    fn rl_1_no_interval_has_more_than_its_calls(
        (interval, burst) in limits(), calls in prop::collection::vec((0_u64..60, 0_u64..100), 1..100),
    ) {
        let core = Core::new(interval, burst);
        let (mut now, mut times) = (0, Vec::new());
        for (pause, most) in calls {
            now += pause;
            times.extend(core.take(now, most).map(|token| token.at));
        }
        assert_within(&times, interval, burst);
    }

    /// One that comes no faster than it may is never refused, whatever its burst; after a pause a burst is there again.
    #[test]
    fn rl_3_nobody_starves((interval, burst) in limits(), pauses in prop::collection::vec(0_u64..50, 1..60)) {
        let core = Core::new(interval, burst);
        let mut now = 0;
        for pause in pauses {
            prop_assert!(core.take(now, 0).is_ok());
            now += interval + pause;
        }
        now += interval * u64::from(burst);
        for _ in 0..burst {
            prop_assert!(core.take(now, 0).is_ok());
        }
        prop_assert!(core.take(now, 0).is_err());
    }

    #[test]
    fn rl_3_a_refusal_says_the_earliest_time(
        (interval, burst) in limits(), before in prop::collection::vec(0_u64..60, 0..40), most in 0_u64..50,
    ) {
        let core = Core::new(interval, burst);
        let mut now = 0;
        for pause in before {
            now += pause;
            let _ = core.take(now, most);
        }
        while core.take(now, most).is_ok() {}
        let wait = core.take(now, most).expect_err("nothing is left");
        prop_assert!(wait > 0);
        prop_assert_eq!(core.take(now + wait - 1, most), Err(1));
        let token = core.take(now + wait, most).expect("as it was said");
        prop_assert_eq!(token.at, now + wait + most);
    }

    /// A clock that stands still, or goes back, gives nothing away.
    #[test]
    fn rl_4_a_clock_that_goes_back_does_not_admit_more(
        (interval, burst) in limits(), times in prop::collection::vec(0_u64..500, 1..100), still in 0_u64..500,
    ) {
        let core = Core::new(interval, burst);
        let admitted = times.iter().filter(|now| core.take(**now, 0).is_ok()).count() as u64;
        let latest = times.iter().copied().max().unwrap_or(0);
        prop_assert!(admitted <= u64::from(burst) + latest / interval);
        let core = Core::new(interval, burst);
        let admitted = (0..100).filter(|_| core.take(still, 0).is_ok()).count();
        prop_assert_eq!(admitted, burst as usize);
    }
}

/// After 500 years it stands still, and does not begin anew.
#[test]
fn the_end_of_time_does_not_overflow() {
    let core = Core::new(1 << 50, 1 << 10);
    let late = u64::MAX - 5;
    for _ in 0..3 {
        assert!(core.take(late, 0).is_ok());
    }
    assert!(core.has_room(u64::MAX));
    assert!(core.available(late) > 0);
}
