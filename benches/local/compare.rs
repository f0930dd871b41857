//! Rounds of all contenders in one process, in shuffled order; one line for each case.
//!
//! Run by `benches/compare`, which says how.

mod case;
mod contenders;
#[path = "../load/mod.rs"]
mod load;
mod options;
mod payload;
mod rounds;

use self::{
    case::{Case, GROWTH, LADDER},
    contenders::{BARE, Contender, OURS, TRYING, WITH_METADATA, batch},
    options::{Options, Set},
    rounds::Outcome,
};

/// Everyone in a case, ours first.
fn everyone(ours: Contender, peers: &[Contender]) -> Vec<Contender> {
    [&[ours], peers].concat()
}

fn cases(set: Set) -> (&'static str, Vec<Case>, Vec<Contender>) {
    match set {
        Set::Local => ("", LADDER.to_vec(), everyone(OURS, &BARE)),
        Set::Trying => ("-try", LADDER.to_vec(), everyone(OURS, &TRYING)),
        Set::Metadata => ("-metadata", LADDER.to_vec(), everyone(OURS, &WITH_METADATA)),
        Set::Batch => (
            "-batch",
            vec![Case::new(1, 1)],
            everyone(batch::OURS, &batch::BARE),
        ),
        // One channel for each of a thousand is nobody's choice.
        Set::Growth => ("-growth", GROWTH.to_vec(), everyone(OURS, &BARE[..2])),
    }
}

fn print(name: &str, case: Case, outcomes: &[Outcome], options: &Options, two_workers: bool) {
    let [ours, peers @ ..] = outcomes else { return };
    let against = |peer: &Outcome| {
        let (ours, theirs) = (options.of(ours), options.of(peer));
        let ratio = theirs / ours;
        println!(
            "{name} ours={ours:.1} peer={} theirs={theirs:.1} ratio={ratio:.2}",
            peer.name
        );
    };
    let fastest = peers
        .iter()
        .min_by(|a, b| options.of(a).total_cmp(&options.of(b)));
    fastest.into_iter().for_each(against);
    if two_workers {
        let one_for_all = peers
            .iter()
            .find(|peer| peer.name.starts_with("async-broadcast"));
        one_for_all.into_iter().for_each(against);
    }
    if options.spread || options.set == Set::Growth {
        for outcome in outcomes {
            let delivery = outcome.median() / case.subscribers as f64;
            println!("    {outcome} per-delivery={delivery:.1}");
        }
    }
}

fn main() {
    let Some(options) = Options::from_args() else {
        return;
    };
    let (suffix, cases, contenders) = cases(options.set);
    for (runtime_name, runtime) in &load::runtimes() {
        for &case in &cases {
            let name = format!("{runtime_name}/{}{suffix}", case.name());
            if name.contains(&options.filter) {
                let outcomes = rounds::play(runtime, case, &contenders, &options);
                print(
                    &name,
                    case,
                    &outcomes,
                    &options,
                    *runtime_name == "two-workers",
                );
            }
        }
    }
}
