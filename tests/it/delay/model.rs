use algedonic::{Buffer, Bus, Delayed, Error, ErrorKind, Subscription};
use futures_util::FutureExt;
use proptest::{prelude::*, sample::Index};
use tokio::time::sleep;

use super::{
    Tock, alive_tasks, assert_balanced, ms, read,
    reference::{CAPACITY, Model, ROOM},
    turns,
};
use crate::events::Tick;

#[derive(Clone, Debug)]
enum Step {
    Schedule { tick: bool, delay: u64 },
    Cancel(Index),
    Drop(Index),
    Detach(Index),
    Pass(u64),
    ReadTick,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Shutdown,
    Drop,
    Rest,
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        8 => (any::<bool>(), 0_u64..30).prop_map(|(tick, delay)| Step::Schedule { tick, delay }),
        2 => index().prop_map(Step::Cancel),
        1 => index().prop_map(Step::Drop),
        1 => index().prop_map(Step::Detach),
        4 => (0_u64..20).prop_map(Step::Pass),
        3 => Just(Step::ReadTick),
    ]
}

enum Guard {
    Tick(Delayed<Tick>),
    Tock(Delayed<Tock>),
}

impl Guard {
    fn schedule(bus: &Bus, number: u64, tick: bool, delay: u64) -> Option<Self> {
        let scheduled = if tick {
            bus.publish_after(ms(delay), Tick::new(number))
                .map(Self::Tick)
        } else {
            bus.publish_after(ms(delay), Tock(number)).map(Self::Tock)
        };
        let busy = scheduled.as_ref().err().map(Error::kind);
        assert!(busy.is_none_or(|kind| kind == ErrorKind::Busy));
        scheduled.ok()
    }

    /// The number that was given back.
    fn cancel(self) -> Option<u64> {
        match self {
            Self::Tick(delayed) => delayed.cancel().ok().map(|tick| tick.number),
            Self::Tock(delayed) => delayed.cancel().ok().map(|tock| tock.0),
        }
    }

    fn detach(self) {
        match self {
            Self::Tick(delayed) => delayed.detach(),
            Self::Tock(delayed) => delayed.detach(),
        }
    }

    fn outcome(self) -> Option<Result<(), ErrorKind>> {
        let outcome = match self {
            Self::Tick(delayed) => delayed.now_or_never()?,
            Self::Tock(delayed) => delayed.now_or_never()?,
        };
        Some(outcome.map(drop).map_err(|error| error.kind()))
    }
}

struct World {
    bus: Bus,
    ticks: Subscription<Tick>,
    tocks: Subscription<Tock>,
    guards: Vec<(u64, Guard)>,
    model: Model,
}

impl World {
    async fn take(&mut self, number: u64, step: Step) {
        let Self {
            bus, guards, model, ..
        } = self;
        match step {
            Step::Schedule { tick, delay } => {
                let guard = Guard::schedule(bus, number, tick, delay);
                assert_eq!(guard.is_some(), model.schedule(number, tick, delay));
                guards.extend(guard.map(|guard| (number, guard)));
            }
            Step::Cancel(at) if !guards.is_empty() => {
                let (number, guard) = guards.swap_remove(at.index(guards.len()));
                let expected = model.cancel(number).then_some(number);
                assert_eq!(guard.cancel(), expected);
            }
            Step::Drop(at) if !guards.is_empty() => {
                let (number, guard) = guards.swap_remove(at.index(guards.len()));
                drop(guard);
                model.cancel(number);
            }
            Step::Detach(at) if !guards.is_empty() => {
                guards.swap_remove(at.index(guards.len())).1.detach();
            }
            Step::Pass(time) => {
                // One by one, as the model does not know who had room in between.
                for _ in 0..time {
                    sleep(ms(1)).await;
                    self.settle().await;
                    self.model.now += 1;
                    self.model.run();
                }
            }
            Step::ReadTick => {
                let read = self.ticks.recv().now_or_never();
                let tick = read.map(|tick| tick.expect("open").expect("no gap").number);
                let expected = (!model.unread.is_empty()).then(|| model.unread.remove(0));
                assert_eq!(tick, expected);
            }
            Step::Cancel(_) | Step::Drop(_) | Step::Detach(_) => {}
        }
        self.settle().await;
        self.model.run();
        self.check();
    }

    async fn settle(&self) {
        turns().await;
    }

    fn check(&mut self) {
        let model = &self.model;
        let counts = self.bus.counts();
        assert_eq!(counts.delayed_pending, model.waiting.len() as u64);
        assert_eq!(counts.delayed_published, model.published.len() as u64);
        assert_eq!(counts.delayed_cancelled, model.cancelled);
        assert_balanced(&self.bus);
        assert_eq!(self.ticks.unread(), model.unread.len() as u64);
        assert_eq!(alive_tasks(), usize::from(!model.waiting.is_empty()));
    }
}

async fn play(steps: Vec<Step>, end: End) {
    let bus = Bus::builder()
        .delay_capacity(CAPACITY)
        .build()
        .expect("nothing wrong");
    let mut world = World {
        ticks: bus.subscribe_with(Buffer::block(ROOM)),
        tocks: bus.subscribe_with(Buffer::block(10_000)),
        bus,
        guards: Vec::new(),
        model: Model::default(),
    };
    for (number, step) in (0..).zip(steps) {
        world.take(number, step).await;
    }
    let World {
        bus,
        mut ticks,
        mut tocks,
        guards,
        mut model,
    } = world;
    assert_eq!(read(&mut tocks, |tock| tock.0), model.tocks);
    match end {
        End::Shutdown => {
            let report = bus.shutdown(ms(100)).await;
            assert_eq!(report.delayed, model.waiting.len() as u64);
            assert_balanced(&bus);
        }
        End::Drop => drop(bus),
        End::Rest => {
            // All the time that it takes, and all the room.
            for _ in 0..60 {
                sleep(ms(1)).await;
                model.now += 1;
                model.run();
                turns().await;
                assert_eq!(read(&mut ticks, |tick| tick.number), model.unread);
                model.unread.clear();
            }
            assert!(model.waiting.is_empty());
            assert_eq!(bus.counts().delayed_pending, 0);
            assert_balanced(&bus);
        }
    }
    turns().await;
    assert_eq!(alive_tasks(), 0);
    for (number, guard) in guards {
        let outcome = guard.outcome().expect("resolved");
        let published = model.published.contains(&number);
        assert_eq!(
            outcome,
            if published {
                Ok(())
            } else {
                Err(ErrorKind::Closed)
            }
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Any steps: what the model says is published, in its order, and nothing else.
    #[test]
    fn the_bus_publishes_what_the_model_publishes(
        steps in prop::collection::vec(step(), 1..80),
        end in prop_oneof![Just(End::Shutdown), Just(End::Drop), Just(End::Rest)],
    ) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
            .block_on(play(steps, end));
    }
}
