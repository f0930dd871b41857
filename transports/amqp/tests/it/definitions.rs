//! A node without data, and what an operator has it import.

use std::sync::Arc;

use algedonic_amqp::{Amqp, AmqpConfig, TopologyMode};
use algedonic_test_broker::Node;
use algedonic_transport::{Lane, Transport};

use crate::support::{
    PATIENCE, arrives, blocking, config_of, confirmed, ctl, everything, import, message, node,
    receive_on, soon, up,
};

/// All that this instance needs on each lane.
fn definitions(config: &AmqpConfig) -> String {
    let interest = Lane::ALL.map(|lane| (lane, everything()));
    config.definitions(&interest)
}

/// Every lane works, and nothing is declared.
async fn works(config: &AmqpConfig) {
    let expecting = config.clone().topology_mode(TopologyMode::Expect);
    let amqp = Amqp::new(expecting).expect("started");
    let mut inboxes = Lane::ALL.map(|lane| receive_on(&amqp, lane));
    up(&amqp).await;
    for (inbox, lane) in inboxes.iter_mut().zip(Lane::ALL) {
        let mut sent = message("a.b");
        sent.lane = lane;
        let sent = confirmed(&amqp, sent).await;
        arrives(inbox, sent).await;
    }
    soon("close", amqp.close(PATIENCE)).await;
}

async fn restart_empty(node: &Arc<Node>) {
    let node = node.clone();
    blocking(move || node.restart_empty()).await;
}

/// As `docker-compose.yml` has it: the node makes its first user and its vhost by itself, and then it is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_data_takes_them_once_it_is_up() {
    let node = node().await;
    let config = config_of(&node).queue("q");
    restart_empty(&node).await;
    import(&node, &definitions(&config)).await;
    works(&config).await;
    let again = node.clone();
    blocking(move || again.restart()).await;
    works(&config).await;
}

/// A node that imports at its start makes no user and no vhost by itself. Without a vhost it does not even come up; so
/// all of them must stand in the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_data_that_takes_them_at_its_start_needs_vhosts_and_users_too() {
    const ACCESS: &str = r#"
        "vhosts": [{"name": "/"}],
        "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
        "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],"#;
    let node = node().await;
    let config = config_of(&node).queue("q");
    let ours = definitions(&config);
    let ours = ours.strip_prefix('{').expect("an object");
    node.import_at_start(&format!("{{{ACCESS}{ours}"));
    restart_empty(&node).await;
    works(&config).await;
    assert_eq!(ctl(&node, &["list_users"]).await.lines().count(), 1);
}
