//! How soon is a broker found that is back?

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use algedonic_amqp::{Amqp, QueueType};
use algedonic_test_broker::Node;
use algedonic_transport::{LinkState, Outcome, Transport};
use tokio::time::Instant;

use crate::support::{blocking, config_of, ctl, link, message, node, receive, soon, up};

/// The first confirm after the broker's port is open again.
const BOUND: Duration = Duration::from_millis(250);

/// When somebody listens on the port again where nobody does now, or in a moment: the connections of a
/// process that is killed may end before its listener does.
fn reopens(port: u16) -> Instant {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = Instant::now() + Duration::from_secs(60);
    for open in [true, false] {
        while TcpStream::connect(address).is_ok() == open {
            assert!(Instant::now() < deadline, "open all the time: {open}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Instant::now()
}

/// How long it takes from the opening of the port to a confirm.
async fn first_confirm(amqp: &Amqp, node: &Node) -> Duration {
    link(amqp, "down", |link| link.state == LinkState::Down).await;
    let port = node.port();
    let opened = tokio::task::spawn_blocking(move || reopens(port));
    let confirmed = async {
        while !matches!(amqp.send(message("a")).await, Ok(Outcome::Confirmed)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Instant::now()
    };
    let confirmed = soon("a confirm", confirmed).await;
    confirmed.saturating_duration_since(opened.await.expect("no panic"))
}

/// Of three: a machine that does something else for a moment is not what is tried.
fn judge(mut took: [Duration; 3]) {
    took.sort_unstable();
    println!("from the port's opening to the first confirm: {took:?}");
    assert!(took[1] <= BOUND, "{took:?}");
}

/// With the settings as they are: for two seconds after a loss there is an attempt every 100 ms.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_back_within_two_seconds_confirms_within_a_quarter_of_one() {
    let node = node().await;
    let amqp = Amqp::new(config_of(&node).queue("q")).expect("started");
    let _arrivals = receive(&amqp);
    let mut took = [Duration::ZERO; 3];
    for took in &mut took {
        up(&amqp).await;
        // A connection that has worked for a second was a good one.
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(1100) {
            let _ = soon("an outcome", amqp.send(message("a"))).await;
        }
        let (first, ()) = tokio::join!(first_confirm(&amqp, &node), async {
            ctl(
                &node,
                &[
                    "eval",
                    "rabbit_maintenance:suspend_all_client_listeners(), \
                     rabbit_maintenance:close_all_client_connections(), \
                     timer:sleep(1000), \
                     rabbit_maintenance:resume_all_client_listeners().",
                ],
            )
            .await;
        });
        *took = first;
    }
    judge(took);
}

/// A broker takes seconds to start; with a cap of 100 ms an attempt is never further away than that.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_cap_of_100_ms_a_killed_broker_confirms_within_250_ms_of_its_return() {
    let node = node().await;
    let config = config_of(&node)
        .queue("q")
        .queue_type(QueueType::Classic)
        .max_backoff(Duration::from_millis(100));
    let amqp = Amqp::new(config).expect("started");
    let _arrivals = receive(&amqp);
    let mut took = [Duration::ZERO; 3];
    for took in &mut took {
        up(&amqp).await;
        let again = node.clone();
        let restarted = blocking(move || {
            again.kill();
            again.restart();
        });
        let (first, ()) = tokio::join!(first_confirm(&amqp, &node), restarted);
        *took = first;
    }
    judge(took);
}
