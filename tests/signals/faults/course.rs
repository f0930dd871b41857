use std::{sync::Arc, time::Duration};

use algedonic_test_broker::{End, Node, Proxy, Way};
use tokio::{task::JoinHandle, time::sleep};

use super::seed::Random;

/// How the broker is for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fine,
    Away,
    Changing,
}

/// What becomes of the way to the broker, and of the broker.
pub(crate) struct Course {
    node: Arc<Node>,
    proxy: Arc<Proxy>,
    random: Random,
    changes: Option<JoinHandle<()>>,
    times: u32,
}

impl Course {
    pub(crate) fn new(node: &Arc<Node>, proxy: &Arc<Proxy>, random: Random) -> Self {
        Self {
            node: Arc::clone(node),
            proxy: Arc::clone(proxy),
            random,
            changes: None,
            times: 0,
        }
    }

    pub(crate) async fn set(&mut self, weather: Weather) {
        if let Some(changes) = self.changes.take() {
            changes.abort();
            let _ = changes.await;
        }
        self.proxy.resume().await;
        match weather {
            Weather::Fine => {}
            Weather::Away => {
                self.proxy.refuse().await;
                self.proxy.end(End::Reset);
            }
            Weather::Changing => {
                self.times += 1;
                // A broker that is killed takes some seconds to come back.
                if self.times % 8 == 1 {
                    let node = Arc::clone(&self.node);
                    let kill = move || {
                        node.kill();
                        node.restart();
                    };
                    tokio::task::spawn_blocking(kill).await.expect("restarted");
                }
                let (proxy, random) = (Arc::clone(&self.proxy), self.random.fork());
                self.changes = Some(tokio::spawn(changes(proxy, random)));
            }
        }
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        if let Some(changes) = &self.changes {
            changes.abort();
        }
    }
}

async fn changes(proxy: Arc<Proxy>, mut random: Random) {
    let mut pause = move || Duration::from_millis(20 + random.below(300));
    loop {
        sleep(pause()).await;
        proxy.end(End::Reset);
        sleep(pause()).await;
        proxy.refuse().await;
        proxy.end(End::Close);
        sleep(pause()).await;
        proxy.resume().await;
        sleep(pause()).await;
        // Whatever is sent is gone.
        proxy.swallow(Way::ToServer);
        sleep(pause()).await;
        proxy.resume().await;
        sleep(pause()).await;
        proxy.cut_after(Way::ToClient, 100, End::Reset);
    }
}
