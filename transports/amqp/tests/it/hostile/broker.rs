//! A broker in a few lines: it answers as RabbitMQ does, until it is asked something about which it lies.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use algedonic_amqp::AmqpConfig;
use algedonic_test_broker::unique;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::raw::{long, short};

/// A method that a client has sent; of a message, after its body has come.
pub(crate) struct Asked<'a> {
    pub(crate) channel: u16,
    /// Class and method; 0 and 0 for the protocol header, before which nobody has asked anything.
    pub(crate) method: (u16, u16),
    pub(crate) arguments: &'a [u8],
    /// Of a message, the header frame's payload: size of the body and properties.
    pub(crate) content: &'a [u8],
}

/// What is answered instead of the truth.
#[derive(Default)]
pub(crate) struct Lie {
    once: Vec<u8>,
    later: Option<(Duration, Vec<u8>)>,
    endless: Option<Endless>,
    hangs_up: bool,
}

/// What comes as the first, the second, and so on.
type Endless = Box<dyn Fn(u64) -> Vec<u8> + Send>;

impl Lie {
    pub(crate) fn of(parts: &[Vec<u8>]) -> Self {
        Self {
            once: parts.concat(),
            ..Self::default()
        }
    }

    /// And then nothing but heartbeats is said for so long, and nothing is read; and then this.
    pub(crate) fn later(mut self, after: Duration, parts: &[Vec<u8>]) -> Self {
        self.later = Some((after, parts.concat()));
        self
    }

    /// And then this, again and again, for as long as the client takes it.
    pub(crate) fn endlessly(self, frame: Vec<u8>) -> Self {
        self.counting(move |_| frame.clone())
    }

    /// As [`endlessly`](Self::endlessly), with what belongs to a number, from 1 on.
    pub(crate) fn counting(mut self, frame: impl Fn(u64) -> Vec<u8> + Send + 'static) -> Self {
        self.endless = Some(Box::new(frame));
        self
    }

    pub(crate) fn hangs_up(mut self) -> Self {
        self.hangs_up = true;
        self
    }
}

/// Ends with its last handle.
pub(crate) struct Broker {
    address: String,
    connections: Arc<AtomicUsize>,
    /// Bytes that clients have taken of what is endless.
    taken: Arc<AtomicU64>,
    _task: JoinSet<()>,
}

impl Broker {
    /// `lie` says what is answered to what is asked; none: the truth.
    pub(crate) async fn start(
        lie: impl Fn(&Asked<'_>) -> Option<Lie> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let (connections, taken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicU64>::default());
        let (count, bytes) = (connections.clone(), taken.clone());
        let lie = Arc::new(lie);
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Dropped with this.
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = Connection {
                    stream,
                    tags: HashMap::new(),
                    bytes: bytes.clone(),
                };
                serving.spawn(serve.run(lie.clone()));
            }
        });
        Self {
            address,
            connections,
            taken,
            _task: task,
        }
    }

    pub(crate) fn config(&self) -> AmqpConfig {
        let config = AmqpConfig::new(&format!("amqp://u:canary@{}", self.address));
        config.expect("valid").prefix(unique("it")).queue("q")
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }
}

struct Connection {
    stream: TcpStream,
    /// How many messages were published on each channel.
    tags: HashMap<u16, u64>,
    bytes: Arc<AtomicU64>,
}

impl Connection {
    async fn run(mut self, lie: Arc<impl Fn(&Asked<'_>) -> Option<Lie>>) {
        // It ends with the connection.
        let _ = self.serve(&*lie).await;
    }

    async fn serve(&mut self, lie: &impl Fn(&Asked<'_>) -> Option<Lie>) -> std::io::Result<()> {
        self.stream.read_exact(&mut [0; 8]).await?;
        self.answer(0, (0, 0), (&[], &[]), lie).await?;
        let mut publishing: HashMap<u16, Vec<u8>> = HashMap::new();
        let mut contents: HashMap<u16, Vec<u8>> = HashMap::new();
        let mut left: HashMap<u16, u64> = HashMap::new();
        loop {
            let (kind, channel, payload) = read(&mut self.stream).await?;
            match kind {
                1 => {
                    let number = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
                    let method = (number(0), number(2));
                    if method == (60, 40) {
                        publishing.insert(channel, payload[4..].to_vec());
                    } else {
                        self.answer(channel, method, (&payload[4..], &[]), lie)
                            .await?;
                    }
                }
                2 => {
                    let size = payload[4..12].try_into().expect("eight");
                    left.insert(channel, u64::from_be_bytes(size));
                    contents.insert(channel, payload);
                }
                3 => *left.entry(channel).or_default() -= payload.len() as u64,
                _ => {}
            }
            if left.get(&channel) == Some(&0) {
                left.remove(&channel);
                let arguments = publishing.remove(&channel).unwrap_or_default();
                *self.tags.entry(channel).or_default() += 1;
                let content = contents.remove(&channel).unwrap_or_default();
                self.answer(channel, (60, 40), (&arguments, &content), lie)
                    .await?;
            }
        }
    }

    async fn answer(
        &mut self,
        channel: u16,
        method: (u16, u16),
        (arguments, content): (&[u8], &[u8]),
        lie: &impl Fn(&Asked<'_>) -> Option<Lie>,
    ) -> std::io::Result<()> {
        let asked = Asked {
            channel,
            method,
            arguments,
            content,
        };
        let lie = lie(&asked).unwrap_or_else(|| Lie::of(&[self.truth(&asked)]));
        self.stream.write_all(&lie.once).await?;
        if let Some((after, frames)) = &lie.later {
            let until = Instant::now() + *after;
            while Instant::now() < until {
                self.stream.write_all(&frame(8, 0, &[])).await?;
                sleep(Duration::from_millis(100)).await;
            }
            self.stream.write_all(frames).await?;
        }
        let mut number = 0;
        while let Some(endless) = &lie.endless {
            // Many at a time: it must not be the one that is slow.
            let mut many = Vec::with_capacity(80 * 1024);
            while many.len() < 64 * 1024 {
                number += 1;
                many.extend(endless(number));
            }
            self.stream.write_all(&many).await?;
            self.bytes.fetch_add(many.len() as u64, Ordering::SeqCst);
        }
        if lie.hangs_up {
            self.stream.shutdown().await?;
        }
        Ok(())
    }

    fn truth(&self, asked: &Asked<'_>) -> Vec<u8> {
        let first_text = |at: usize| {
            let length = usize::from(asked.arguments[at]);
            &asked.arguments[at..=at + length]
        };
        let (method, arguments) = match asked.method {
            (0, 0) => return start(),
            (10, 11) => return tune(2047, 131_072, 60),
            (10, 40) => (41, short(b"")),
            (20, 10) => (11, long(b"")),
            (50, 10) => (11, [first_text(2), &[0; 8]].concat()),
            (60, 20) => (21, short(b"consumer")),
            (60, 30) => (31, first_text(0).to_vec()),
            (60, 40) => {
                let tag = self.tags[&asked.channel];
                (80, [&tag.to_be_bytes()[..], &[0]].concat())
            }
            // Closing a connection or a channel.
            (10, 50) => (51, vec![]),
            (20, 40) => (41, vec![]),
            // Declaring, binding, and the like.
            (40 | 50 | 85, method) | (60, method @ 10) => (method + 1, vec![]),
            _ => return vec![],
        };
        self::method(asked.channel, (asked.method.0, method), &arguments)
    }
}

async fn read(stream: &mut TcpStream) -> std::io::Result<(u8, u16, Vec<u8>)> {
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
    let mut payload = vec![0; size + 1];
    stream.read_exact(&mut payload).await?;
    payload.pop();
    Ok((head[0], u16::from_be_bytes([head[1], head[2]]), payload))
}

pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &long(payload), &[0xCE]].concat()
}

pub(crate) fn method(channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
    frame(1, channel, &payload)
}

/// A greeting as RabbitMQ's.
pub(crate) fn start() -> Vec<u8> {
    let product = [
        b"\x07productS",
        &*long(b"RabbitMQ"),
        b"\x07versionS",
        &long(b"4.0.5"),
    ]
    .concat();
    let arguments = [vec![0, 9], long(&product), long(b"PLAIN"), long(b"en_US")];
    method(0, (10, 10), &arguments.concat())
}

pub(crate) fn tune(channel_max: u16, frame_max: u32, heartbeat: u16) -> Vec<u8> {
    let arguments = [
        &channel_max.to_be_bytes()[..],
        &frame_max.to_be_bytes(),
        &heartbeat.to_be_bytes(),
    ];
    method(0, (10, 30), &arguments.concat())
}

/// A message for the consumer, without its content.
pub(crate) fn deliver(channel: u16, consumer: &[u8], tag: u64, key: &[u8]) -> Vec<u8> {
    let arguments = [
        short(consumer),
        tag.to_be_bytes().to_vec(),
        vec![0],
        short(b"exchange"),
        short(key),
    ];
    method(channel, (60, 60), &arguments.concat())
}

/// A returned message, without its content.
pub(crate) fn returned(channel: u16) -> Vec<u8> {
    let arguments = [
        vec![1, 56],
        short(b"NO_ROUTE"),
        short(b"exchange"),
        short(b"a"),
    ];
    method(channel, (60, 50), &arguments.concat())
}

/// A body of so many bytes is announced, and the type of the message.
pub(crate) fn header(channel: u16, body: u64) -> Vec<u8> {
    let payload = [
        &[0, 60, 0, 0][..],
        &body.to_be_bytes(),
        &[0, 0x20],
        &short(b"a"),
    ];
    frame(2, channel, &payload.concat())
}
