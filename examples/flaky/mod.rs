//! An HTTP server that can be made ill, and a client of it: as little of HTTP/1.1 as two people need who know one
//! another.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How long an ill server takes to say nothing.
const HANGS: Duration = Duration::from_secs(2);

/// A server on this machine, until the end of the program.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    is_ill: AtomicBool,
    asked: AtomicU64,
}

impl Server {
    /// On a port that is free.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = Self {
            address: listener.local_addr()?,
            shared: Arc::default(),
        };
        let shared = Arc::clone(&server.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                // Who goes away before the answer is nobody's fault.
                tokio::spawn(async move { shared.answer(stream).await.ok() });
            }
        });
        Ok(server)
    }

    /// From now on it fails, or is well.
    pub(crate) fn set_ill(&self, is_ill: bool) {
        self.shared.is_ill.store(is_ill, Ordering::Relaxed);
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Shared {
    async fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 4096 {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let (status, body) = match (self.is_ill.load(Ordering::Relaxed), number % 2) {
            (false, _) => ("200 OK", format!("answer {number}")),
            (true, 0) => ("503 Service Unavailable", String::new()),
            (true, _) => {
                tokio::time::sleep(HANGS).await;
                ("503 Service Unavailable", String::new())
            }
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(answer.as_bytes()).await
    }
}

/// Gets a page: its body, or why there is none.
pub(crate) async fn get(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // It closes the connection; a page is small.
    let mut answer = String::new();
    stream.take(64 * 1024).read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(body.to_owned()),
        status => Err(io::Error::other(format!(
            "status {}",
            status.unwrap_or("none")
        ))),
    }
}
