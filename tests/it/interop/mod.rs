/// Messages of ours, as other clients see them.
mod ours;
/// Other clients' programs, as child processes.
mod peer;
/// Messages of other clients, as we see them.
mod theirs;
/// An event of a Rust type, and a client that knows its fields.
mod typed;

use std::time::Duration;

use algedonic::{
    amqp::{Amqp, WireForm},
    transport::{LinkState, Transport},
};
use algedonic_test_broker::shared_url;
use futures_util::StreamExt;

use crate::{patience::within, rabbitmq::config};

/// A transport on the shared broker.
async fn transport(prefix: &str, queue: &str, form: WireForm) -> Amqp {
    let url = tokio::task::spawn_blocking(shared_url).await;
    let config = config(&url.expect("a node"), prefix, queue).wire_form(form);
    Amqp::new(config.confirm_timeout(Duration::from_secs(15))).expect("good")
}

async fn is_up(amqp: &Amqp) {
    let mut links = amqp.links();
    within("the link to be up", async {
        while links.next().await.expect("not closed").state != LinkState::Up {}
    })
    .await;
}
