//! One connection through a proxy, from its beginning to its end.

use super::counts::Carried;
use super::pipe::Pipe;
use super::{End, Shared, Way};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a side may take to read the end of its connection.
const LINGER: Duration = Duration::from_secs(10);

/// Forwards both ways until both sides have ended it, or the proxy is told to.
pub(super) async fn carry(client: TcpStream, shared: Arc<Shared>) {
    // Before it is counted: who has seen it counted may give orders to it.
    let mut orders = shared.orders.subscribe();
    let born = *orders.borrow_and_update();
    let carried = Carried::new(shared.clone());
    let Ok(server) = TcpStream::connect(&shared.server).await else {
        reset(&client);
        return;
    };
    for stream in [&client, &server] {
        // What passes is decided by the orders only.
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let subscribe = || shared.orders.subscribe();
    let mut up = Pipe::new(Way::ToServer, from_client, to_server, subscribe(), &born);
    let mut down = Pipe::new(Way::ToClient, from_server, to_client, subscribe(), &born);
    let told = async {
        match orders.wait_for(|now| now.ended > born.ended).await {
            Ok(now) => now.how.unwrap_or(End::Reset),
            Err(_) => End::Reset,
        }
    };
    let ended = tokio::select! {
        biased;
        how = told => Some(how),
        ended = async { tokio::try_join!(up.run(&shared), down.run(&shared)) } => ended.err(),
    };
    drop(carried);
    match ended {
        // Both sides have ended it themselves, and were told of it.
        None => {}
        Some(End::Reset) => {
            up.reset();
            down.reset();
        }
        Some(End::Close) => {
            let closing = async { tokio::join!(up.close(), down.close()) };
            let _ = tokio::time::timeout(LINGER, closing).await;
        }
    }
}

/// Lets the stream end by an RST when it is dropped.
pub(super) fn reset(stream: &TcpStream) {
    // It fails on a connection that is gone.
    let _ = stream.set_zero_linger();
}
