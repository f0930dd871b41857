//! Ended at a byte, at once, or by half.

use crate::echo::{
    Seen, before_an_echo, connect, echoes, eventually, get, is_reset, rest, says_nothing, send,
    told,
};
use algedonic_test_broker::{End, Way};
use std::io::ErrorKind;
use tokio::io::AsyncWriteExt;

const SENT: &[u8] = b"0123456789";

#[tokio::test]
async fn the_way_to_the_server_is_cut_at_a_byte() {
    let (proxy, mut seen) = before_an_echo().await;
    for (bytes, end) in [
        (0, End::Close),
        (3, End::Close),
        (10, End::Close),
        (4, End::Reset),
    ] {
        let mut stream = connect(&proxy).await;
        let before = proxy.bytes(Way::ToServer);
        proxy.cut_after(Way::ToServer, bytes as u64, end);
        assert!(proxy.cut_is_pending());
        send(&mut stream, SENT).await;
        let told = told(&mut seen).await;
        assert_eq!(proxy.bytes(Way::ToServer) - before, bytes as u64);
        assert!(!proxy.cut_is_pending());
        assert_ended(&told, end);
        if end == End::Close {
            assert_eq!(told.bytes, SENT[..bytes]);
            rest(&mut stream).await.expect("a clean end");
        } else {
            assert!(is_reset(&mut stream).await);
        }
    }
    // It happened once each time.
    echoes(&mut connect(&proxy).await, SENT).await;
}

#[tokio::test]
async fn the_way_to_the_client_is_cut_at_a_byte() {
    let (proxy, mut seen) = before_an_echo().await;
    for end in [End::Close, End::Reset] {
        let mut stream = connect(&proxy).await;
        proxy.cut_after(Way::ToClient, 7, end);
        send(&mut stream, SENT).await;
        if end == End::Close {
            assert_eq!(rest(&mut stream).await.expect("a clean end"), SENT[..7]);
        } else {
            assert!(is_reset(&mut stream).await);
        }
        assert_ended(&told(&mut seen).await, end);
    }
}

fn assert_ended(told: &Seen, end: End) {
    let kind = told.end.as_ref().map_err(std::io::Error::kind);
    match end {
        End::Close => assert_eq!(kind, Ok(&())),
        End::Reset => assert_eq!(kind, Err(ErrorKind::ConnectionReset)),
    }
}

#[tokio::test]
async fn a_cut_counts_over_all_connections() {
    let (proxy, _seen) = before_an_echo().await;
    let (mut one, mut other) = (connect(&proxy).await, connect(&proxy).await);
    proxy.cut_after(Way::ToServer, 8, End::Close);
    echoes(&mut one, b"12345").await;
    send(&mut other, b"12345").await;
    let came = rest(&mut other).await.expect("a clean end");
    assert!(came.len() <= 3, "{came:?}");
    assert_eq!(proxy.bytes(Way::ToServer), 8);
    echoes(&mut one, b"the other one stays").await;
}

#[tokio::test]
async fn each_connection_is_cut_after_bytes_of_its_own() {
    let (proxy, mut seen) = before_an_echo().await;
    let mut old = connect(&proxy).await;
    for (bytes, end) in [(0, End::Close), (5, End::Close), (4, End::Reset)] {
        proxy.cut_each_after(Way::ToServer, bytes as u64, end);
        let mut streams = [connect(&proxy).await, connect(&proxy).await];
        for stream in &mut streams {
            let before = proxy.bytes(Way::ToServer);
            send(stream, SENT).await;
            let told = told(&mut seen).await;
            assert_eq!(proxy.bytes(Way::ToServer) - before, bytes as u64);
            assert_ended(&told, end);
            if end == End::Close {
                assert_eq!(told.bytes, SENT[..bytes]);
            }
        }
    }
    proxy.cut_each_after(Way::ToClient, 7, End::Close);
    let mut stream = connect(&proxy).await;
    send(&mut stream, SENT).await;
    assert_eq!(rest(&mut stream).await.expect("a clean end"), SENT[..7]);
    // One that began before is not meant, nor is one that has bytes left when it is taken back.
    echoes(&mut old, SENT).await;
    let mut spared = connect(&proxy).await;
    echoes(&mut spared, b"12345").await;
    proxy.resume().await;
    echoes(&mut spared, SENT).await;
    echoes(&mut connect(&proxy).await, SENT).await;
}

#[tokio::test]
async fn a_cut_that_is_taken_back_does_not_happen() {
    let (proxy, _seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.cut_after(Way::ToServer, 3, End::Reset);
    proxy.resume().await;
    assert!(!proxy.cut_is_pending());
    echoes(&mut stream, SENT).await;
}

#[tokio::test]
async fn connections_end_at_once_and_new_ones_are_carried() {
    let (proxy, mut seen) = before_an_echo().await;
    for end in [End::Reset, End::Close] {
        let mut stream = connect(&proxy).await;
        echoes(&mut stream, SENT).await;
        proxy.end(end);
        if end == End::Reset {
            assert!(is_reset(&mut stream).await);
        } else {
            assert_eq!(rest(&mut stream).await.expect("a clean end"), b"");
        }
        assert_ended(&told(&mut seen).await, end);
        eventually("none carried", || proxy.carried() == 0).await;
    }
}

#[tokio::test]
async fn a_reset_by_one_side_reaches_the_other() {
    let (proxy, mut seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    echoes(&mut stream, SENT).await;
    stream.set_zero_linger().expect("open");
    drop(stream);
    assert_ended(&told(&mut seen).await, End::Reset);
}

#[tokio::test]
async fn one_direction_ends_and_the_other_stays() {
    let (proxy, mut seen) = before_an_echo().await;
    // The server reads an end; what it has sent before still comes.
    let mut stream = connect(&proxy).await;
    proxy.delay(Way::ToClient, crate::echo::NEVER);
    send(&mut stream, SENT).await;
    eventually("it is with the server", || proxy.bytes(Way::ToServer) == 10).await;
    proxy.half_close(Way::ToServer);
    assert_eq!(told(&mut seen).await.bytes, SENT);
    assert_eq!(rest(&mut stream).await.expect("a clean end"), SENT);
    proxy.resume().await;

    // The client reads an end; what it sends still comes to the server, whose answers are swallowed.
    let mut stream = connect(&proxy).await;
    proxy.half_close(Way::ToClient);
    assert_eq!(rest(&mut stream).await.expect("a clean end"), b"");
    send(&mut stream, SENT).await;
    stream.shutdown().await.expect("open");
    let told = told(&mut seen).await;
    assert!(told.bytes == SENT && told.end.is_ok(), "{told:?}");
    assert_eq!(proxy.bytes(Way::ToClient), 10, "of the first connection");
}

#[tokio::test]
async fn a_half_close_does_not_reach_those_to_come() {
    let (proxy, _seen) = before_an_echo().await;
    proxy.half_close(Way::Both);
    let mut stream = connect(&proxy).await;
    echoes(&mut stream, SENT).await;
    assert!(says_nothing(&mut stream).await);
    send(&mut stream, b"x").await;
    assert_eq!(get(&mut stream, 1).await, b"x");
    // The next one does, though the first was taken back.
    proxy.resume().await;
    proxy.half_close(Way::ToClient);
    assert_eq!(rest(&mut stream).await.expect("a clean end"), b"");
}
