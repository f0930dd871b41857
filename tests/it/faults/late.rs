//! A message that the broker takes long after its sender has given it up.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use algedonic::{
    Bus, Error, LinkState, Mirror,
    amqp::Amqp,
    transport::{Message, Outcome},
};
use tower::{Service, ServiceExt};

use super::broker::{command, node};
use crate::{
    events::Tick,
    patience::{until, within},
    rabbitmq::{bus, config, link_is},
};

/// Sends again, under the same id, until the broker has confirmed it.
#[derive(Clone)]
struct Again<S>(S);

impl<S> Service<Message> for Again<S>
where
    S: Service<Message, Response = Outcome, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Outcome;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, message: Message) -> Self::Future {
        let mut inner = self.0.clone();
        let first = self.0.call(message.clone());
        Box::pin(async move {
            let mut outcome = first.await;
            loop {
                match outcome {
                    Ok(Outcome::Unknown { .. }) => {}
                    Err(error) if error.is_transient() => {}
                    known => return known,
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                outcome = inner.ready().await?.call(message.clone()).await;
            }
        })
    }
}

/// The broker has run out of memory and takes nothing from who publishes. The confirm timeout passes; when
/// there is memory again, both the message and its repetition arrive: one effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_up_while_blocked_and_sent_again_it_has_one_effect() {
    const EVENTS: u64 = 20;
    let node = node().await;
    let second = Duration::from_secs(1);
    let there = bus(config(&node.url(), "late", "there"));
    let here = config(&node.url(), "late", "here").confirm_timeout(second);
    let mirror = Mirror::new(Amqp::new(here).expect("a good configuration"))
        .outbound::<Tick>()
        .timeout(60 * second)
        .stack(Again);
    let here = Bus::builder()
        .mirror(mirror)
        .build()
        .expect("a good configuration");
    link_is(&here, LinkState::Up).await;
    link_is(&there, LinkState::Up).await;
    let mut ticks = there.subscribe::<Tick>();

    command(&node, |node| {
        node.ctl(&["set_vm_memory_high_watermark", "0.000001"]);
    })
    .await;
    let mut receipts = Vec::new();
    for number in 0..EVENTS {
        receipts.push(here.publish(Tick::new(number)).await.expect("open"));
    }
    link_is(&here, LinkState::Blocked).await;
    // Their confirm timeout passes; the time is what is tried.
    tokio::time::sleep(2 * second).await;
    assert_eq!(here.counts().confirmed, 0);
    command(&node, |node| {
        node.ctl(&["set_vm_memory_high_watermark", "0.4"]);
    })
    .await;
    for receipt in receipts {
        let remote = within("the confirm", receipt.remote()).await;
        assert!(remote.is_confirmed(), "{remote}");
    }
    let mut heard = Vec::new();
    for _ in 0..EVENTS {
        let tick = within("the event", ticks.recv()).await;
        heard.push(tick.expect("open").expect("no gap").number);
    }
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..EVENTS));
    // One more after whatever came twice.
    let receipt = here.publish(Tick::new(EVENTS)).await.expect("open");
    assert!(within("the confirm", receipt.remote()).await.is_confirmed());
    let last = within("the event", ticks.recv()).await;
    assert_eq!(last.expect("open").expect("no gap").number, EVENTS);
    until("all are counted", || there.counts().received == EVENTS + 1).await;
    let twice = there.counts().duplicates;
    println!("{EVENTS} given up and sent again: {twice} came twice");
    assert!(twice > 0, "nothing that was given up has arrived");
}
