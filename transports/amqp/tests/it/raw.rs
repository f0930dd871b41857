//! A publisher that writes its frames by hand: what no client library lets through.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::soon;

/// A connection with one channel, in confirm mode.
pub(crate) struct Raw(TcpStream);

pub(crate) fn short(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("short");
    [&[length], bytes].concat()
}

pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("fits");
    [&length.to_be_bytes(), bytes].concat()
}

/// Properties that are headers and nothing else.
pub(crate) fn only_headers(table: &[u8]) -> Vec<u8> {
    [vec![0x20, 0], long(table)].concat()
}

/// A header whose value is a table, and so on.
pub(crate) fn nested(levels: usize) -> Vec<u8> {
    let mut table = Vec::new();
    for _ in 0..levels {
        table = [b"\x01aF".to_vec(), long(&table)].concat();
    }
    only_headers(&table)
}

impl Raw {
    /// Connects as guest to the vhost `/`, and agrees on frames of at most so many bytes.
    pub(crate) async fn open(url: &str, frame_max: u32) -> Self {
        let rest = url.rsplit('@').next().expect("a URL");
        let address = rest.split('/').next().expect("a URL");
        let mut stream = soon("connect", TcpStream::connect(address))
            .await
            .expect("connected");
        stream
            .write_all(b"AMQP\0\0\x09\x01")
            .await
            .expect("written");
        let mut raw = Self(stream);
        raw.expect(10, 10).await;
        let start = [
            long(b""),
            short(b"PLAIN"),
            long(b"\0guest\0guest"),
            short(b"en_US"),
        ];
        raw.method(0, 10, 11, &start.concat()).await;
        let tune = raw.expect(10, 30).await;
        let ok = [&tune[4..6], &frame_max.to_be_bytes(), &[0, 0]].concat();
        raw.method(0, 10, 31, &ok).await;
        raw.method(0, 10, 40, &[short(b"/"), short(b""), vec![0]].concat())
            .await;
        raw.expect(10, 41).await;
        raw.method(1, 20, 10, &short(b"")).await;
        raw.expect(20, 11).await;
        raw.method(1, 85, 10, &[0]).await;
        raw.expect(85, 11).await;
        raw
    }

    /// Publishes, and waits for the confirm. `properties` begin with their flags.
    pub(crate) async fn publish(
        &mut self,
        exchange: &str,
        key: &[u8],
        properties: &[u8],
        body: &[u8],
    ) {
        let method = [vec![0, 0], short(exchange.as_bytes()), short(key), vec![0]];
        self.method(1, 60, 40, &method.concat()).await;
        let mut header = vec![0, 60, 0, 0];
        header.extend((body.len() as u64).to_be_bytes());
        header.extend_from_slice(properties);
        self.frame(2, 1, &header).await;
        if !body.is_empty() {
            self.frame(3, 1, body).await;
        }
        self.expect(60, 80).await;
    }

    async fn method(&mut self, channel: u16, class: u8, method: u8, arguments: &[u8]) {
        let payload = [&[0, class, 0, method], arguments].concat();
        self.frame(1, channel, &payload).await;
    }

    async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let frame = [&[kind][..], &channel.to_be_bytes(), &long(payload), &[0xCE]];
        self.0.write_all(&frame.concat()).await.expect("written");
    }

    /// The payload of the next method, which must be this one.
    async fn expect(&mut self, class: u8, method: u8) -> Vec<u8> {
        loop {
            let (kind, payload) = soon("a frame", self.read()).await;
            if kind == 8 {
                continue;
            }
            let text = String::from_utf8_lossy(&payload);
            assert_eq!(payload[..4], [0, class, 0, method], "{text}");
            return payload;
        }
    }

    async fn read(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).await.expect("open");
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let mut payload = vec![0; size + 1];
        self.0.read_exact(&mut payload).await.expect("open");
        assert_eq!(payload.pop(), Some(0xCE));
        (head[0], payload)
    }
}
