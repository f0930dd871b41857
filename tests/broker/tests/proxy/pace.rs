//! Late, slow, and in pieces.

use crate::echo::{before_an_echo, connect, echoes, get, rest, send, told};
use algedonic_test_broker::Way;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const DELAY: Duration = Duration::from_millis(120);

#[tokio::test]
async fn what_is_sent_arrives_and_is_counted() {
    let (proxy, mut seen) = before_an_echo().await;
    let (mut one, mut other) = (connect(&proxy).await, connect(&proxy).await);
    echoes(&mut one, b"first").await;
    echoes(&mut other, b"second").await;
    assert_eq!((proxy.accepted(), proxy.carried()), (2, 2));
    assert_eq!(proxy.bytes(Way::ToServer), 11);
    assert_eq!(proxy.bytes(Way::ToClient), 11);
    assert_eq!(proxy.bytes(Way::Both), 22);
    one.shutdown().await.expect("open");
    assert_eq!(rest(&mut one).await.expect("a clean end"), b"");
    let told = told(&mut seen).await;
    assert!(told.bytes == b"first" && told.end.is_ok(), "{told:?}");
    assert_eq!(proxy.carried(), 1);
}

#[tokio::test]
async fn each_way_has_a_delay_of_its_own() {
    let (proxy, _seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    for (way, times) in [(Way::ToServer, 1), (Way::ToClient, 1), (Way::Both, 2)] {
        proxy.delay(way, DELAY);
        let since = Instant::now();
        echoes(&mut stream, b"ping").await;
        let took = since.elapsed();
        assert!(took >= DELAY * times, "{way:?}: {took:?}");
        // One that delays twice, or the wrong way too, is caught.
        assert!(took < DELAY * (times + 1), "{way:?}: {took:?}");
        proxy.resume().await;
    }
}

#[tokio::test]
async fn a_delay_leaves_the_throughput() {
    let (proxy, _seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    proxy.delay(Way::ToServer, DELAY);
    let since = Instant::now();
    // Each piece would wait for the one before it, if pieces were not under way together.
    for _ in 0..20 {
        send(&mut stream, &[7; 1000]).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    get(&mut stream, 20_000).await;
    let took = since.elapsed();
    assert!(took >= DELAY && took < 5 * DELAY, "{took:?}");
}

#[tokio::test]
async fn a_throttle_lets_so_much_pass_in_a_second() {
    let (proxy, _seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    for way in [Way::ToServer, Way::ToClient] {
        proxy.throttle(way, 50_000);
        let since = Instant::now();
        echoes(&mut stream, &vec![7; 20_000]).await;
        let took = since.elapsed().as_secs_f64();
        assert!((0.35..0.8).contains(&took), "{way:?}: {took} s");
        proxy.resume().await;
    }
    let since = Instant::now();
    echoes(&mut stream, &vec![7; 20_000]).await;
    assert!(since.elapsed().as_secs_f64() < 0.35, "resumed");
}

#[tokio::test]
async fn fragments_are_small_and_nothing_is_lost() {
    let (proxy, mut seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    let sent: Vec<u8> = (0..40).collect();
    // Pieces of two bytes by the throttle, of one by the fragments.
    proxy.throttle(Way::ToServer, 200);
    proxy.fragment(Way::ToServer, 1);
    echoes(&mut stream, &sent).await;
    drop(stream);
    let told = told(&mut seen).await;
    assert_eq!(told.bytes, sent);
    assert!(told.reads > 20, "{} reads", told.reads);
}
