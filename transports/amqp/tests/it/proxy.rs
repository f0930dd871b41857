//! A TCP proxy that fails on demand.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use algedonic_amqp::AmqpConfig;
use algedonic_test_broker::{shared_url, unique};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::JoinHandle,
};

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Forward,
    /// Everything takes a tenth of a second each way.
    Slow,
    /// Connections stay open; nothing passes any more.
    Freeze,
    /// Connections end.
    Cut,
}

/// Settings that reach the shared broker through a proxy.
pub(crate) async fn behind_a_proxy() -> (AmqpConfig, Proxy) {
    let url = crate::support::blocking(shared_url).await;
    let rest = url.rsplit('@').next().expect("a URL");
    let broker = rest.split('/').next().expect("a URL").to_owned();
    let proxy = Proxy::to(broker.clone()).await;
    let url = url.replace(&broker, &format!("127.0.0.1:{}", proxy.port()));
    (
        AmqpConfig::new(&url)
            .expect("valid URL")
            .prefix(unique("it")),
        proxy,
    )
}

/// Forwards to a broker until told otherwise.
pub(crate) struct Proxy {
    address: SocketAddr,
    broker: String,
    mode: Arc<watch::Sender<Mode>>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// A proxy in front of the broker at `host:port`.
    pub(crate) async fn to(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let mut proxy = Self {
            address: listener.local_addr().expect("bound"),
            broker,
            mode: Arc::new(watch::Sender::new(Mode::Forward)),
            accepting: None,
        };
        proxy.accept(listener);
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn slow(&self, slow: bool) {
        self.mode
            .send_replace(if slow { Mode::Slow } else { Mode::Forward });
    }

    pub(crate) fn freeze(&self) {
        self.mode.send_replace(Mode::Freeze);
    }

    /// Ends all connections, and refuses new ones.
    pub(crate) fn cut(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        self.mode.send_replace(Mode::Cut);
    }

    /// Accepts again.
    pub(crate) async fn open(&mut self) {
        self.mode = Arc::new(watch::Sender::new(Mode::Forward));
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.accept(listener);
    }

    fn accept(&mut self, listener: TcpListener) {
        let (broker, mode) = (self.broker.clone(), self.mode.clone());
        self.accepting = Some(tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&broker).await else {
                    continue;
                };
                let (client_read, client_write) = client.into_split();
                let (server_read, server_write) = server.into_split();
                tokio::spawn(forward(client_read, server_write, mode.subscribe()));
                tokio::spawn(forward(server_read, client_write, mode.subscribe()));
            }
        }));
    }
}

async fn forward(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut mode: watch::Receiver<Mode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let now = *mode.borrow_and_update();
        tokio::select! {
            change = mode.changed() => if change.is_err() { return },
            read = from.read(&mut buffer), if matches!(now, Mode::Forward | Mode::Slow) => match read {
                Ok(0) | Err(_) => return,
                Ok(bytes) => {
                    if now == Mode::Slow {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    if to.write_all(&buffer[..bytes]).await.is_err() {
                        return;
                    }
                }
            },
        }
        if *mode.borrow() == Mode::Cut {
            return;
        }
    }
}
