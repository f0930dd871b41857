//! Resilience layers around a service that does nothing, beside those of others: what a call costs.
//!
//! Run by `benches/compare resilience`, which says how.

mod breaker;
mod bulkhead;
mod call;
mod case;
mod fallback;
mod inner;
mod load_shed;
mod options;
mod rate_limit;
mod retry;
mod rounds;
mod stack;
mod timeout;

use std::collections::HashMap;

use self::{
    call::Setting,
    case::{Case, Contender},
    inner::Nothing,
    options::Options,
};

/// A bare service, then ours, then those of others.
fn everyone(case: Case) -> Vec<Contender> {
    let mut everyone = vec![Contender::new("bare", || Nothing)];
    everyone.extend(case.contenders);
    everyone
}

fn main() {
    let Some(options) = Options::from_args() else {
        return;
    };
    // What ours costs on one thread, case by case.
    let mut alone = HashMap::new();
    for (setting, name) in Setting::ALL {
        let cases = [
            breaker::cases(),
            bulkhead::cases(),
            fallback::cases(),
            load_shed::cases(),
            rate_limit::cases(),
            retry::cases(),
            stack::cases(),
            timeout::cases(),
        ];
        for case in cases.into_iter().flatten() {
            let (short, name) = (case.name, format!("{name}/{}", case.name));
            if name.contains(&options.filter) {
                let targets = case.targets(setting);
                let outcomes = rounds::play(setting, &everyone(case), &options);
                if setting == Setting::OneThread {
                    alone.insert(short, options.of(&outcomes[1]));
                }
                case::print(&name, &outcomes, targets, alone.get(short), &options);
            }
        }
    }
}
