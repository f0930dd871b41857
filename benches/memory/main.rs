//! How much memory a subscription holds while nothing happens, and a lane.
//!
//! Counted by a global allocator; the size of the value itself, which its owner holds, is added. *After
//! traffic*: four times 1,024 events of 64 bytes waited at each subscriber, and all were read.

mod holders;
mod lanes;
#[path = "../load/mod.rs"]
mod load;

use algedonic::Bus;
use peak_alloc::PeakAlloc;
use tokio::runtime::Runtime;

use self::holders::{AsyncBroadcast, Broadcast, Holder, Mpsc, Ours};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Subscriptions of one type.
const MANY: usize = 1_000;

/// Bytes on the heap.
fn held() -> usize {
    ALLOCATOR.current_usage()
}

/// One line: the first subscription, which may make what all share, and each further one.
fn measure<H: Holder>(name: &str, runtime: &Runtime) {
    let mut holder = H::with_capacity(MANY);
    let empty = held();
    holder.subscribe();
    let first = held();
    (1..MANY).for_each(|_| holder.subscribe());
    let all = held();
    runtime.block_on(holder.traffic());
    let after = held();
    let each = |bytes: usize| bytes / (MANY - 1) + H::INLINE;
    println!(
        "{name:<16} first={} further={} further-after-traffic={}",
        first - empty + H::INLINE,
        each(all - first),
        each(after.saturating_sub(first)),
    );
}

fn main() {
    if !load::is_bench() {
        return;
    }
    let [(_, runtime), _] = &load::runtimes();
    println!("bytes of a subscription, or receiver; events of 64 bytes, room for 1,024");
    measure::<Ours>("ours", runtime);
    measure::<Broadcast>("tokio-broadcast", runtime);
    measure::<AsyncBroadcast>("async-broadcast", runtime);
    measure::<Mpsc>("tokio-mpsc", runtime);

    println!("\nbytes of the bus");
    let before = held();
    let bus = Bus::local();
    println!("Bus::local {}", held() - before);
    lanes::measure(&bus, runtime);
}
