//! A server that sends back what it gets, and the client of a test.

use algedonic_test_broker::Proxy;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for something that must not happen to happen.
pub(crate) const NEVER: Duration = Duration::from_millis(150);

/// What a connection of the server has seen when it is over.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    /// How many reads it took.
    pub(crate) reads: usize,
    pub(crate) end: io::Result<()>,
}

/// A proxy, and what its server tells of each connection in the end.
pub(crate) async fn before_an_echo() -> (Proxy, mpsc::UnboundedReceiver<Seen>) {
    let (address, seen) = echo().await;
    let proxy = Proxy::to(address.to_string()).await.expect("a port");
    (proxy, seen)
}

pub(crate) async fn echo() -> (SocketAddr, mpsc::UnboundedReceiver<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let (tell, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move {
                // The test may not want to know.
                let _ = tell.send(answer(stream).await);
            });
        }
    });
    (address, seen)
}

async fn answer(mut stream: TcpStream) -> Seen {
    let mut seen = Seen {
        bytes: Vec::new(),
        reads: 0,
        end: Ok(()),
    };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => {
                seen.reads += 1;
                seen.bytes.extend_from_slice(&buffer[..count]);
                if let Err(error) = stream.write_all(&buffer[..count]).await {
                    seen.end = Err(error);
                    break;
                }
            }
            Err(error) => {
                seen.end = Err(error);
                break;
            }
        }
    }
    seen
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = timeout(PATIENCE, future).await;
    waited.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    soon(what, async {
        while !is() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A connection that the proxy has taken up.
pub(crate) async fn connect(proxy: &Proxy) -> TcpStream {
    let before = proxy.accepted();
    let stream = soon("a connection", TcpStream::connect(proxy.address())).await;
    eventually("it is carried", || proxy.accepted() > before).await;
    stream.expect("accepted")
}

pub(crate) async fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let sent = soon("room to send", stream.write_all(bytes)).await;
    sent.expect("sent");
}

pub(crate) async fn get(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let read = soon("an answer", stream.read_exact(&mut bytes)).await;
    read.expect("read");
    bytes
}

/// All that comes, to the end.
pub(crate) async fn rest(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    soon("the end", stream.read_to_end(&mut bytes)).await?;
    Ok(bytes)
}

pub(crate) async fn is_reset(stream: &mut TcpStream) -> bool {
    let read = rest(stream).await;
    matches!(read, Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
}

pub(crate) async fn says_nothing(stream: &mut TcpStream) -> bool {
    timeout(NEVER, stream.read_u8()).await.is_err()
}

pub(crate) async fn echoes(stream: &mut TcpStream, text: &[u8]) {
    send(stream, text).await;
    assert_eq!(get(stream, text.len()).await, text);
}

/// The story of the next connection that ended at the server.
pub(crate) async fn told(seen: &mut mpsc::UnboundedReceiver<Seen>) -> Seen {
    soon("the server's end", seen.recv()).await.expect("told")
}
