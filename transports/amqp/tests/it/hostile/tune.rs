//! What is agreed on at the beginning: whatever a broker asks for, it works with it, or says why not.

use algedonic_amqp::Amqp;
use algedonic_transport::Transport;

use super::broker::{Broker, Lie, tune};
use crate::support::{confirmed, link, message, receive, soon};

#[tokio::test]
async fn any_limits_that_a_broker_asks_for_are_kept_or_told() {
    for channel_max in [0, 1, 2, 65_535] {
        for frame_max in [0, 1, 4095, 4096, 131_072, u32::MAX] {
            for heartbeat in [0, 1, 65_535] {
                let asked = format!("{channel_max} channels, {frame_max} bytes, {heartbeat} s");
                let broker = Broker::start(move |asked| {
                    (asked.method == (10, 11))
                        .then(|| Lie::of(&[tune(channel_max, frame_max, heartbeat)]))
                })
                .await;
                let amqp = Amqp::new(broker.config()).expect("started");
                let _arrivals = receive(&amqp);
                let settled =
                    link(&amqp, &asked, |link| link.is_up() || link.error.is_some()).await;
                if let Some(error) = settled.error {
                    // A channel of its own for what is declared is the least that it needs.
                    assert!(
                        channel_max == 1 && error.to_string().contains("channel"),
                        "{asked}: {error}"
                    );
                    continue;
                }
                confirmed(&amqp, message("a")).await;
                let mut large = message("a");
                large.body = vec![7; 200_000].into();
                confirmed(&amqp, large).await;
                soon("close", amqp.close(std::time::Duration::from_secs(1))).await;
            }
        }
    }
}
