//! The same as a plain reference, for any sequence of steps and faults: every outcome, every delivery, every dead
//! letter with its cause, what waits and what is unsettled.

mod reference;

use std::{collections::BTreeMap, time::Duration};

use algedonic_memory::{Broker, DeliveryFault, Faults, Limits, Memory, Overflow, SendFault, Which};
use algedonic_transport::{
    Arrival, BoxFuture, BoxStream, Delivery, Error, Key, Lane, Message, Metadata, Outcome, Pattern,
    Settlement, Transport,
};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;
use tokio::time::sleep;

use self::reference::{CAPACITY, CONFIRM, Fate, PREFETCH, RETURNS, Reference, TTL};

#[derive(Clone, Debug)]
enum Step {
    Send(bool, Option<SendFault>),
    Take(Option<DeliveryFault>),
    /// One of those in hand.
    Settle(usize, Settlement),
    Wait(Duration),
}

fn time() -> impl Strategy<Value = Duration> {
    (1_u64..1000).prop_map(Duration::from_millis)
}

fn send_fault() -> impl Strategy<Value = SendFault> {
    prop_oneof![
        Just(SendFault::CutBeforeArrival),
        Just(SendFault::CutBeforeConfirm),
        Just(SendFault::CutAfterConfirm),
        Just(SendFault::Reject),
        Just(SendFault::Return),
        Just(SendFault::LoseConfirm),
        Just(SendFault::Duplicate),
        time().prop_map(SendFault::DelayConfirm),
        time().prop_map(SendFault::DelayArrival),
        time().prop_map(SendFault::Block),
        time().prop_map(SendFault::Stop),
    ]
}

fn delivery_fault() -> impl Strategy<Value = DeliveryFault> {
    prop_oneof![
        Just(DeliveryFault::CutAfterDelivery),
        Just(DeliveryFault::CutBeforeAck),
        time().prop_map(DeliveryFault::Delay),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let settlement = prop_oneof![
        2 => Just(Settlement::Ack),
        2 => Just(Settlement::Requeue),
        1 => Just(Settlement::DeadLetter),
    ];
    prop_oneof![
        5 => (prop::bool::weighted(0.9), prop::option::weighted(0.3, send_fault()))
            .prop_map(|(wanted, fault)| Step::Send(wanted, fault)),
        5 => prop::option::weighted(0.2, delivery_fault()).prop_map(Step::Take),
        4 => (any::<usize>(), settlement).prop_map(|(which, how)| Step::Settle(which, how)),
        2 => time().prop_map(Step::Wait),
    ]
}

type Pending = BoxFuture<Result<Outcome, Error>>;

/// The broker under test, and the reference beside it.
struct Both {
    broker: Broker,
    sender: Memory,
    _receiver: Memory,
    arrivals: BoxStream<Arrival>,
    reference: Reference,
    sent: u64,
    open: BTreeMap<u64, Pending>,
    in_hand: Vec<(u64, Delivery)>,
}

impl Both {
    fn new(drop_head: bool, downtime: Duration) -> Self {
        let broker = Broker::with_limits(Limits {
            prefetch: PREFETCH,
            queue: CAPACITY,
            overflow: if drop_head {
                Overflow::DropHead
            } else {
                Overflow::RejectPublish
            },
            message_ttl: Some(TTL),
            delivery_limit: Some(RETURNS),
            confirm_deadline: CONFIRM,
            ..Limits::default()
        });
        let receiver = broker.transport("receiver");
        let wanted = Pattern::new("wanted").expect("a pattern");
        let arrivals = receiver.receive(Lane::Event, vec![wanted]);
        Self {
            sender: broker.transport("sender"),
            _receiver: receiver,
            arrivals: arrivals.expect("received once"),
            reference: Reference::new(drop_head, downtime),
            sent: 0,
            open: BTreeMap::new(),
            in_hand: Vec::new(),
            broker,
        }
    }

    fn inject(&self, faults: Faults) {
        self.broker.inject(faults.downtime(self.reference.downtime));
    }

    async fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::Send(wanted, fault) => {
                let script = fault.map(|it| Faults::new().sending(Which::nth(1), it));
                self.inject(script.unwrap_or_default());
                self.sent += 1;
                let mut outcome = self.sender.send(message(self.sent, wanted));
                let fate = fate((&mut outcome).now_or_never().as_ref());
                prop_assert_eq!(fate, self.reference.send(self.sent, wanted, fault));
                if fate == Fate::Open {
                    self.open.insert(self.sent, outcome);
                }
            }
            Step::Take(fault) => {
                let script = fault.map(|it| Faults::new().delivering(Which::nth(1), it));
                self.inject(script.unwrap_or_default());
                let came = match self.arrivals.next().now_or_never() {
                    Some(Some(Arrival::Message(delivery))) => Some(delivery),
                    None => None,
                    other => return Err(TestCaseError::fail(format!("came {other:?}"))),
                };
                let seen = came
                    .as_ref()
                    .map(|it| (number(it.message()), it.is_redelivered()));
                let taken = self.reference.take(fault);
                prop_assert_eq!(seen, taken.map(|(_, number, before)| (number, before)));
                self.in_hand.extend(taken.map(|it| it.0).zip(came));
            }
            Step::Settle(which, how) if !self.in_hand.is_empty() => {
                let (handle, delivery) = self.in_hand.swap_remove(which % self.in_hand.len());
                delivery.settle(how);
                self.reference.settle(handle, how);
            }
            Step::Settle(..) => {}
            Step::Wait(time) => sleep(time).await,
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        self.reference.expire();
        let waiting = self.broker.waiting("receiver", Lane::Event);
        let unsettled = self.broker.unsettled("receiver", Lane::Event);
        prop_assert_eq!((waiting, unsettled), self.reference.counts());
        prop_assert!(unsettled <= PREFETCH);
        let dead = self.broker.dead_letters("receiver").into_iter();
        let dead: Vec<_> = dead
            .map(|letter| (number(&letter.message), letter.cause, letter.deliveries))
            .collect();
        prop_assert_eq!(&dead, &self.reference.dead);
        let mut told = Vec::new();
        for (sent, outcome) in &mut self.open {
            let fate = fate(outcome.now_or_never().as_ref());
            prop_assert_eq!(fate, self.reference.outcome(*sent), "message {}", sent);
            if fate != Fate::Open {
                told.push(*sent);
            }
        }
        self.open.retain(|sent, _| !told.contains(sent));
        Ok(())
    }
}

fn message(number: u64, wanted: bool) -> Message {
    let key = Key::from_static(if wanted { "wanted" } else { "unwanted" });
    let metadata = Metadata::new(key, "test");
    Message::new(metadata, Lane::Event, "text/plain", number.to_string())
}

fn number(message: &Message) -> u64 {
    let text = std::str::from_utf8(&message.body).expect("text");
    text.parse().expect("a number")
}

fn fate(outcome: Option<&Result<Outcome, Error>>) -> Fate {
    match outcome {
        None => Fate::Open,
        Some(Err(_)) => Fate::Away,
        Some(Ok(Outcome::Confirmed)) => Fate::Confirmed,
        Some(Ok(Outcome::NotRouted)) => Fate::NotRouted,
        Some(Ok(Outcome::Rejected { .. })) => Fate::Rejected,
        Some(Ok(_)) => Fate::Unknown,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn it_is_the_same_as_the_reference(
        steps in prop::collection::vec(step(), 1..80), drop_head: bool, away in 0_u64..3,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut both = Both::new(drop_head, Duration::from_millis(away * 200));
            for step in &steps {
                both.step(step).await?;
            }
            // Whatever was left open is told in the end.
            sleep(CONFIRM).await;
            both.compare()?;
            prop_assert!(both.open.is_empty());
            Ok(())
        })?;
    }
}
