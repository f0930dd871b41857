use proptest::prelude::*;
use tokio::time::Instant;

use super::{alarms, notice};
use crate::{
    Level,
    resilience::{
        Name, Notice, Reason, What,
        breaker::State::{Closed, ForcedOpen, HalfOpen, Open},
        registry::Health,
        retry::GaveUp,
    },
    signal::alarm::levels::Levels,
};

/// What happens, what of that hurts, and how much; some of it does not.
fn table() -> Vec<(What, &'static [(&'static str, Level)])> {
    let breaker = |to| What::Breaker { from: Closed, to };
    let health = |to| What::Health {
        from: Health::Healthy,
        to,
    };
    let refused: &[_] = &[("refused", Level::Medium)];
    vec![
        (breaker(Open), &[("breaker", Level::High)]),
        (breaker(ForcedOpen), &[("breaker", Level::High)]),
        (breaker(HalfOpen), &[("breaker", Level::High)]),
        (breaker(Closed), &[]),
        (health(Health::Healthy), &[]),
        (health(Health::Degraded), &[("degraded", Level::Medium)]),
        (
            health(Health::Unhealthy),
            &[("unhealthy", Level::Critical), ("degraded", Level::Medium)],
        ),
        (What::Rejected(Reason::BulkheadFull), refused),
        (What::Rejected(Reason::BulkheadTimeout), refused),
        (What::Rejected(Reason::RateLimited), refused),
        (What::Rejected(Reason::Shed), refused),
        (
            What::GaveUp(GaveUp::Attempts),
            &[("gave_up", Level::Medium)],
        ),
        (What::GaveUp(GaveUp::Budget), &[("gave_up", Level::Medium)]),
        (What::Overflow, &[("overflow", Level::Low)]),
        // The breaker has said so, a breaker counts it, or somebody was served all the same.
        (What::Rejected(Reason::BreakerOpen), &[]),
        (What::Failed, &[]),
        (What::TimedOut, &[]),
        (What::FellBack, &[]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The most severe first, and each once, by the priorities of the requirements.
    #[test]
    fn he_6_each_has_its_level(happens in prop::collection::vec(prop::sample::select(table()), 0..30), critical: bool) {
        const NAMES: [&str; 3] = ["llm_api", "database", "pool"];
        let now = Instant::now();
        let mut levels = Levels::new(if critical { alarms().critical("database") } else { alarms() });
        let mut expected = Vec::new();
        // One of each name for each thing: what is over at once does not hurt.
        let mut seen = std::collections::BTreeSet::new();
        for (number, (what, hurts)) in happens.into_iter().enumerate() {
            let name = NAMES[number % NAMES.len()];
            let kind = std::mem::discriminant(&what);
            if !seen.insert((name, format!("{kind:?}"))) {
                continue;
            }
            levels.note(Notice { name: Name::from_static(name), ..notice(what, number as u64 + 1, 1, now) });
            for (metric, level) in hurts {
                let is_critical = critical && name == "database" && *metric == "breaker";
                let level = if is_critical { Level::Critical } else { *level };
                expected.push((format!("{metric}.{name}"), level));
            }
        }
        let mut found = Vec::new();
        while let Some(signal) = levels.due(now) {
            found.push((signal.metric, signal.level));
        }
        let priorities: Vec<_> = found.iter().map(|(_, level)| level.priority().get()).collect();
        prop_assert!(priorities.is_sorted_by(|one, next| one >= next), "{:?}", priorities);
        prop_assert!(priorities.iter().all(|priority| [10, 8, 5, 2].contains(priority)));
        found.sort();
        expected.sort();
        expected.dedup();
        prop_assert_eq!(found, expected);
    }
}
