//! Nothing passes, and nothing ends.

use crate::echo::{
    NEVER, before_an_echo, connect, echoes, eventually, get, is_reset, says_nothing, send, soon,
};
use algedonic_test_broker::Way;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

#[tokio::test]
async fn what_is_stalled_comes_after_all() {
    let (proxy, _seen) = before_an_echo().await;
    for way in [Way::ToServer, Way::ToClient, Way::Both] {
        let mut stream = connect(&proxy).await;
        echoes(&mut stream, b"before").await;
        proxy.stall(way);
        let mut late = connect(&proxy).await;
        for stream in [&mut stream, &mut late] {
            send(stream, b"meanwhile").await;
            assert!(says_nothing(stream).await, "{way:?}");
        }
        proxy.resume().await;
        for stream in [&mut stream, &mut late] {
            assert_eq!(get(stream, 9).await, b"meanwhile");
            echoes(stream, b"after").await;
        }
    }
}

#[tokio::test]
async fn the_sender_of_a_stalled_direction_runs_out_of_room() {
    let (proxy, _seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.stall(Way::ToServer);
    let much = vec![0; 64 << 20];
    assert!(timeout(NEVER, stream.write_all(&much)).await.is_err());
    assert_eq!(proxy.bytes(Way::ToServer), 0);
}

#[tokio::test]
async fn what_is_swallowed_is_gone_and_so_is_its_connection() {
    let (proxy, mut seen) = before_an_echo().await;
    for way in [Way::ToServer, Way::ToClient] {
        let before = proxy.bytes(way);
        let mut stream = connect(&proxy).await;
        proxy.swallow(way);
        // Far more than any buffer holds.
        let much = vec![0; 32 << 20];
        if way == Way::ToServer {
            send(&mut stream, &much).await;
        } else {
            send(&mut stream, b"meanwhile").await;
        }
        assert!(says_nothing(&mut stream).await, "{way:?}");
        assert_eq!(proxy.bytes(way), before);
        // One that has lost nothing goes on.
        let mut idle = connect(&proxy).await;
        assert_eq!(proxy.carried(), 2);
        proxy.resume().await;
        assert!(is_reset(&mut stream).await);
        echoes(&mut idle, b"after").await;
        drop(idle);
        eventually("none carried", || proxy.carried() == 0).await;
        while seen.try_recv().is_ok() {}
    }
}

#[tokio::test]
async fn an_end_that_was_swallowed_does_not_reach_the_receiver() {
    let (proxy, mut seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    echoes(&mut stream, b"before").await;
    proxy.swallow(Way::ToServer);
    drop(stream);
    assert!(timeout(NEVER, seen.recv()).await.is_err());
    proxy.resume().await;
    let told = soon("the server's end", seen.recv()).await.expect("told");
    assert!(told.end.is_err(), "{told:?}");
}

#[tokio::test]
async fn a_reset_does_not_pass_where_nothing_does() {
    let (proxy, mut seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    echoes(&mut stream, b"before").await;
    proxy.stall(Way::ToServer);
    stream.set_zero_linger().expect("open");
    drop(stream);
    assert!(timeout(NEVER, seen.recv()).await.is_err());
    proxy.resume().await;
    let told = soon("the server's end", seen.recv()).await.expect("told");
    assert!(told.end.is_err(), "{told:?}");
}
