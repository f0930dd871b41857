//! What is compared, and what it is to come to.

use tower::Service;

use crate::{call::Setting, options::Options, rounds::Outcome};

/// A service to be called: how long one of so many calls takes.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) time: Box<dyn Fn(Setting, u64) -> f64>,
}

impl Contender {
    /// Each round has a new one.
    pub(crate) fn new<S>(name: &'static str, make: impl Fn() -> S + 'static) -> Self
    where
        S: Service<u64> + Clone + Send + 'static,
        S::Future: Send,
    {
        let time = Box::new(move |setting: Setting, calls| setting.time(&make(), calls));
        Self { name, time }
    }
}

/// Contenders that do the same, ours first.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) targets: &'static [(Setting, Target)],
}

/// What ours is held to.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most so many nanoseconds more than a bare service.
    OverBare(f64),
    /// At least so many times faster than the contender of this name.
    Faster(&'static str, f64),
    /// At most so many times what it costs on one thread; said if that was measured too.
    TimesAlone(f64),
}

impl Case {
    pub(crate) fn targets(&self, setting: Setting) -> Vec<Target> {
        let here = self.targets.iter().filter(|(of, _)| *of == setting);
        here.map(|(_, target)| *target).collect()
    }
}

/// A line for each peer, in the form of `benches/compare`, and one for each target.
pub(crate) fn print(
    name: &str,
    outcomes: &[Outcome],
    targets: Vec<Target>,
    alone: Option<&f64>,
    options: &Options,
) {
    let [bare, ours, peers @ ..] = outcomes else {
        return;
    };
    let cost = options.of(ours);
    let over = cost - options.of(bare);
    let ours = format!("{name} ours={cost:.1} over-bare={over:.1}");
    if peers.is_empty() {
        println!("{ours}");
    }
    for peer in peers {
        let theirs = options.of(peer);
        let ratio = theirs / cost;
        println!(
            "{ours} peer={} theirs={theirs:.1} ratio={ratio:.2}",
            peer.name
        );
    }
    for target in targets {
        let (what, is, bound, met) = match target {
            Target::OverBare(most) => ("over bare, at most".to_owned(), over, most, over <= most),
            Target::Faster(peer, least) => {
                let theirs = peers.iter().find(|outcome| outcome.name == peer);
                let ratio = theirs.map_or(f64::NAN, |theirs| options.of(theirs) / cost);
                (
                    format!("times faster than {peer}, at least"),
                    ratio,
                    least,
                    ratio >= least,
                )
            }
            Target::TimesAlone(most) => {
                let Some(alone) = alone else { continue };
                let times = cost / alone;
                let what = "times one thread, at most".to_owned();
                (what, times, most, times <= most)
            }
        };
        let verdict = if met { "met" } else { "MISSED" };
        println!("    {verdict}: {what} {bound:.1}: {is:.1}");
    }
    if options.spread {
        for outcome in outcomes {
            println!("    {outcome}");
        }
    }
}
