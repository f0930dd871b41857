//! A TCP proxy on loopback that fails on demand.

mod connection;
mod counts;
mod cut;
mod door;
mod orders;
mod pipe;

use self::cut::Cut;
use self::door::Door;
use self::orders::{Flow, Orders};
use crate::shared::host_of;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Forwards connections to one server, as well or as badly as it is told to.
///
/// It begins by forwarding at once whatever comes. Each command holds for the connections that are there and for those
/// to come, unless it says otherwise, and until another one replaces it; [`resume`](Self::resume) takes all of them
/// back. Dropping the proxy ends its connections and closes its port.
///
/// It runs on the runtime that it was started on, in real time.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    door: Door,
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the client sends.
    ToServer,
    /// What the server sends.
    ToClient,
    /// Both directions.
    Both,
}

/// How the proxy ends a connection, towards both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By a FIN each way: both sides read the end of what was sent.
    Close,
    /// By an RST each way, as `SO_LINGER` of zero makes it: reading and writing fail. What was on its way may be lost.
    Reset,
}

/// What the proxy and its connections have in common.
#[derive(Debug)]
struct Shared {
    server: String,
    orders: watch::Sender<Orders>,
    cut: Cut,
    counts: counts::Counts,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and forwards to the server at `host:port`.
    ///
    /// # Errors
    /// Where no port can be had. The server is looked for when a connection comes: without it that connection is reset.
    pub async fn to(server: impl Into<String>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            server: server.into(),
            orders: watch::Sender::new(Orders::default()),
            cut: Cut::default(),
            counts: counts::Counts::default(),
        });
        let door = Door::open(shared.clone()).await?;
        Ok(Self { shared, door })
    }

    /// A proxy before the broker of an `amqp://` URL. See [`rewrite`](Self::rewrite).
    ///
    /// # Errors
    /// Where no port can be had, or the URL names no host.
    pub async fn before(url: &str) -> io::Result<Self> {
        let host = host_of(url);
        Self::to(host.ok_or_else(|| io::Error::other("not an amqp:// URL"))?).await
    }

    /// The same `amqp://` URL, with this proxy in place of the host.
    pub fn rewrite(&self, url: &str) -> String {
        let scheme = url.find("://").map_or(0, |at| at + 3);
        let (before, rest) = url.split_at(scheme);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let login = authority.rfind('@').map_or("", |at| &authority[..=at]);
        format!("{before}{login}{}{path}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The port where it listens.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// Lets whatever passes this way take so much longer. Many bytes may be on their way at once (up to 256 KiB for each
    /// connection and direction): it adds to the latency, and hardly takes from the throughput.
    pub fn delay(&self, way: Way, by: Duration) {
        self.order(|orders| orders.each(way, |now| now.delay = by));
    }

    /// Lets at most so many bytes a second pass this way, on each connection, in pieces of about 10 ms' worth.
    ///
    /// # Panics
    /// For a rate of zero: that is [`stall`](Self::stall).
    pub fn throttle(&self, way: Way, bytes_per_second: u32) {
        assert!(bytes_per_second > 0, "nothing would ever pass");
        self.order(|orders| orders.each(way, |now| now.rate = Some(bytes_per_second)));
    }

    /// Hands on at most so many bytes at once, each piece in a segment of its own if the receiver reads it in time.
    ///
    /// # Panics
    /// For pieces of no bytes.
    pub fn fragment(&self, way: Way, most: usize) {
        assert!(most > 0, "nothing would ever pass");
        self.order(|orders| orders.each(way, |now| now.most = most));
    }

    /// Ends the connection that carries the last of the next so many bytes this way, counted over all connections from
    /// now on: right after that byte. With 0: as soon as one more byte wants to pass. It happens once, to one connection;
    /// a new call replaces one that is pending.
    ///
    /// # Panics
    /// For [`Way::Both`].
    pub fn cut_after(&self, way: Way, bytes: u64, end: End) {
        self.shared.cut.set(way, bytes, end);
    }

    /// Ends every connection that begins from now on, each right after so many bytes of its own have passed this way.
    /// With 0: as soon as a byte wants to pass.
    ///
    /// # Panics
    /// For [`Way::Both`].
    pub fn cut_each_after(&self, way: Way, bytes: u64, end: End) {
        assert!(way != Way::Both, "bytes are counted in one direction");
        self.order(|orders| orders.cut_each = Some((way, bytes, end)));
    }

    /// Whether the cut of [`cut_after`](Self::cut_after) has yet to happen.
    pub fn cut_is_pending(&self) -> bool {
        self.shared.cut.is_pending()
    }

    /// Ends the connections that are there.
    pub fn end(&self, how: End) {
        self.order(|orders| orders.end(how));
    }

    /// On the connections that are there, tells the receiver of this direction that no more comes; what is sent this way
    /// afterwards is swallowed. The other direction stays.
    pub fn half_close(&self, way: Way) {
        self.order(|orders| orders.each(way, |now| now.half_closed += 1));
    }

    /// Takes nothing more from the sender of this direction: nothing passes, nothing is lost, and in time its buffers and
    /// those of the operating system are full. New connections are accepted.
    pub fn stall(&self, way: Way) {
        self.order(|orders| orders.each(way, |now| now.flow = Flow::Stall));
    }

    /// Takes what is sent this way and throws it away. New connections are accepted.
    ///
    /// A connection that has lost something by it never forwards again: [`resume`](Self::resume) resets it.
    pub fn swallow(&self, way: Way) {
        self.order(|orders| orders.each(way, |now| now.flow = Flow::Swallow));
    }

    /// Refuses connections from the moment this returns, as a machine does where nothing listens; those that are there
    /// stay. The port stays reserved.
    pub async fn refuse(&self) {
        self.door.refuse().await;
    }

    /// Takes back every command: accepts, forwards in both directions, as fast as it can, whatever waited first.
    pub async fn resume(&self) {
        self.shared.cut.clear();
        self.order(Orders::resume);
        self.door.accept().await;
    }

    /// The connections that it has accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.counts.accepted()
    }

    /// The connections that it carries now. One that a client has just made counts when the proxy has taken it up.
    pub fn carried(&self) -> u64 {
        self.shared.counts.carried()
    }

    /// The bytes that were handed on this way, over all connections.
    pub fn bytes(&self, way: Way) -> u64 {
        self.shared.counts.bytes(way)
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.shared.orders.send_modify(change);
    }
}
