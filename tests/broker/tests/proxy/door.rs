//! Who comes in.

use crate::echo::{before_an_echo, connect, echo, echoes, eventually, is_reset, rest};
use algedonic_test_broker::Proxy;
use std::io::ErrorKind::ConnectionRefused;
use tokio::net::{TcpListener, TcpStream};

#[tokio::test]
async fn connections_are_refused_and_those_that_are_there_stay() {
    let (proxy, _seen) = before_an_echo().await;
    let mut there = connect(&proxy).await;
    let address = proxy.address();
    for _ in 0..3 {
        proxy.refuse().await;
        // Nothing changes by saying it twice.
        proxy.refuse().await;
        let refused = TcpStream::connect(address).await.map(drop);
        assert_eq!(
            refused.map_err(|error| error.kind()),
            Err(ConnectionRefused)
        );
        assert!(TcpListener::bind(address).await.is_err(), "it is ours");
        echoes(&mut there, b"there").await;
        proxy.resume().await;
        echoes(&mut connect(&proxy).await, b"new").await;
        assert_eq!(proxy.address(), address);
    }
}

#[tokio::test]
async fn a_connection_is_reset_while_the_server_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let away = listener.local_addr().expect("bound");
    drop(listener);
    let proxy = Proxy::to(away.to_string()).await.expect("a port");
    let mut stream = connect(&proxy).await;
    assert!(is_reset(&mut stream).await);
    eventually("none carried", || proxy.carried() == 0).await;
}

#[tokio::test]
async fn a_dropped_proxy_leaves_neither_connection_nor_port() {
    let (proxy, _seen) = before_an_echo().await;
    let mut stream = connect(&proxy).await;
    echoes(&mut stream, b"before").await;
    let address = proxy.address();
    drop(proxy);
    assert_eq!(rest(&mut stream).await.expect("an end"), b"");
    let refused = TcpStream::connect(address).await.map(drop);
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(ConnectionRefused)
    );
}

#[tokio::test]
async fn a_url_leads_through_the_proxy() {
    let (server, _seen) = echo().await;
    let url = format!("amqp://us%40er:p%2fw@{server}/v%2fhost?heartbeat=5");
    let proxy = Proxy::before(&url).await.expect("a port");
    let through = format!(
        "amqp://us%40er:p%2fw@127.0.0.1:{}/v%2fhost?heartbeat=5",
        proxy.port()
    );
    assert_eq!(proxy.rewrite(&url), through);
    assert_eq!(
        proxy.rewrite("amqp://h"),
        format!("amqp://{}", proxy.address())
    );
    echoes(&mut connect(&proxy).await, b"through").await;
    let Err(error) = Proxy::before("amqp:nowhere").await else {
        panic!("there is no host");
    };
    assert!(error.to_string().contains("amqp://"), "{error}");
}
