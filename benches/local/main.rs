//! Publish to receive inside of one process, beside the channels one would use instead; and what an
//! event costs that nobody receives, that patterns are tried on, that more and more receive.
//!
//! By criterion, one contender after the other. `benches/compare` plays them side by side.

mod case;
mod contenders;
#[path = "../load/mod.rs"]
mod load;
mod nobody;
mod patterns;
mod payload;

use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;

use self::{
    case::{Case, GROWTH, LADDER},
    contenders::{BARE, Contender, OURS, TRYING, WITH_METADATA, batch},
};

/// With fewer events in a round, because criterion wants many rounds.
fn brief(case: Case) -> Case {
    let events = if case.subscribers > 4 { 2_048 } else { 8_192 };
    Case { events, ..case }
}

/// One case: a row for each contender.
fn play(
    criterion: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    case: Case,
    contenders: &[&[Contender]],
) {
    let case = brief(case);
    let mut group = load::group(criterion, &format!("{name}/{}", case.name()));
    group.throughput(Throughput::Elements(case.events));
    for (name, contender) in contenders.concat() {
        load::bench(&mut group, name, runtime, || contender(case));
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, runtime) in &load::runtimes() {
        for case in LADDER {
            let contenders: [&[_]; 3] = [&[OURS], &BARE, &TRYING];
            play(&mut criterion, runtime, name, case, &contenders);
        }
        for case in LADDER {
            let name = format!("{name}/metadata");
            let contenders: [&[_]; 2] = [&[OURS], &WITH_METADATA];
            play(&mut criterion, runtime, &name, case, &contenders);
        }
        let name = format!("{name}/batch");
        let contenders: [&[_]; 2] = [&[batch::OURS], &batch::BARE];
        play(&mut criterion, runtime, &name, Case::new(1, 1), &contenders);
    }
    let [(name, runtime), _] = &load::runtimes();
    for case in GROWTH {
        let name = format!("{name}/growth");
        // One channel for each of a thousand is nobody's choice.
        let contenders: [&[_]; 2] = [&[OURS], &BARE[..2]];
        play(&mut criterion, runtime, &name, case, &contenders);
    }
    nobody::bench(&mut criterion, runtime);
    patterns::bench(&mut criterion, runtime);
    criterion.final_summary();
}
