//! Resilience layers around a service that does nothing, beside those of others: what a call costs.
//!
//! Run by `benches/compare resilience`, which says how.

mod breaker;
mod call;
mod case;
mod fallback;
mod inner;
mod load_shed;
mod options;
mod rate_limit;
mod retry;
mod rounds;
mod timeout;

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
    for (setting, name) in Setting::ALL {
        let cases = [
            breaker::cases(),
            fallback::cases(),
            load_shed::cases(),
            rate_limit::cases(),
            retry::cases(),
            timeout::cases(),
        ];
        for case in cases.into_iter().flatten() {
            let name = format!("{name}/{}", case.name);
            if name.contains(&options.filter) {
                let targets = case.targets(setting);
                let outcomes = rounds::play(setting, &everyone(case), &options);
                case::print(&name, &outcomes, targets, &options);
            }
        }
    }
}
