//! What a broker may say to a client that has said this, by the frames as lapin reads them.

use std::collections::{BTreeMap, BTreeSet};

use amq_protocol::{
    frame::AMQPFrame,
    protocol::{AMQPClass, basic, channel, connection},
};

use crate::guard::Limits;

/// The methods of a broker: class and number.
const METHODS: [(u16, &[u16]); 8] = [
    (10, &[10, 20, 30, 41, 50, 51, 60, 61, 71]),
    (20, &[11, 20, 21, 40, 41]),
    (30, &[11]),
    (40, &[11, 21, 31, 51]),
    (50, &[11, 21, 31, 41, 51]),
    (60, &[11, 21, 30, 31, 50, 60, 71, 72, 80, 111, 120]),
    (85, &[11]),
    (90, &[11, 21, 31]),
];

pub(super) struct Rules {
    pub(super) frame_max: usize,
    body_max: u64,
    open: BTreeMap<u16, Channel>,
    alarms: u32,
    greeted: bool,
    /// The broker has closed the connection.
    pub(super) over: bool,
}

#[derive(Default)]
struct Channel {
    prefetch: usize,
    consumers: u32,
    cancelled: u32,
    published: u64,
    returned: u64,
    unconfirmed: Option<BTreeSet<u64>>,
    delivered: u64,
    unsettled: BTreeSet<u64>,
    flows: u32,
    content: Content,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Content {
    #[default]
    None,
    Announced,
    /// So much is to come, and goes on, or does not.
    Body(u64, bool),
}

type Verdict = Result<bool, &'static str>;

impl Rules {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            frame_max: limits.frame_max,
            body_max: limits.body_max,
            open: BTreeMap::new(),
            alarms: 0,
            greeted: false,
            over: false,
        }
    }

    /// The client says this.
    pub(super) fn ours(&mut self, frame: &AMQPFrame) {
        self.alarms = 0;
        let AMQPFrame::Method(number, method) = frame else {
            return;
        };
        match method {
            AMQPClass::Channel(channel::AMQPMethod::Open(_)) => {
                self.open.insert(*number, Channel::default());
            }
            AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)) => {
                self.open.remove(number);
            }
            method => {
                if let Some(channel) = self.open.get_mut(number) {
                    channel.ours(method);
                }
            }
        }
    }

    /// The broker says this, and announces such a body if it is a header. Whether it goes on; or what is
    /// broken.
    pub(super) fn theirs(&mut self, frame: &AMQPFrame, announced: u64) -> Verdict {
        if self.over {
            return Ok(is_close_ok(frame));
        }
        match frame {
            AMQPFrame::ProtocolHeader(_)
            | AMQPFrame::Heartbeat
            | AMQPFrame::InvalidHeartbeat(_) => Ok(true),
            AMQPFrame::Method(number, method) => self.method(*number, method),
            AMQPFrame::Header(number, header) => {
                let goes_on = announced <= self.body_max;
                let channel = self.channel(*number)?;
                if header.class_id != 60 || channel.content != Content::Announced {
                    return Err("a header of nothing");
                }
                channel.content = Content::Body(announced, goes_on);
                Ok(true)
            }
            AMQPFrame::Body(number, body) => match &mut self.channel(*number)?.content {
                Content::Body(left, goes_on) if *left >= body.len() as u64 => {
                    *left -= body.len() as u64;
                    Ok(*goes_on)
                }
                _ => Err("a body of nothing"),
            },
        }
    }

    fn channel(&mut self, number: u16) -> Result<&mut Channel, &'static str> {
        self.open
            .get_mut(&number)
            .ok_or("a channel that is not open")
    }

    fn method(&mut self, number: u16, method: &AMQPClass) -> Verdict {
        let class = method.get_amqp_class_id();
        let known = METHODS.iter().find(|(known, _)| *known == class);
        if !known.is_some_and(|(_, known)| known.contains(&method.get_amqp_method_id())) {
            return Err("no method of a broker");
        }
        let AMQPClass::Connection(method) = method else {
            self.channel(number)?.theirs(method)?;
            if matches!(method, AMQPClass::Channel(channel::AMQPMethod::CloseOk(_))) {
                self.open.remove(&number);
            }
            return Ok(true);
        };
        if number != 0 {
            return Err("the connection is no channel");
        }
        match method {
            connection::AMQPMethod::Start(_) => {
                if std::mem::replace(&mut self.greeted, true) {
                    return Err("a second greeting");
                }
            }
            connection::AMQPMethod::Close(_) => self.over = true,
            connection::AMQPMethod::Tune(tune) if tune.frame_max > 0 => {
                let offered = usize::try_from(tune.frame_max).expect("32 bits").max(4096);
                self.frame_max = self.frame_max.min(offered);
            }
            connection::AMQPMethod::Blocked(_) | connection::AMQPMethod::Unblocked(_) => {
                self.alarms += 1;
                if self.alarms > 1000 {
                    return Err("alarms without an end");
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

impl Channel {
    fn ours(&mut self, method: &AMQPClass) {
        match method {
            AMQPClass::Channel(channel::AMQPMethod::FlowOk(_)) => {
                self.flows = self.flows.saturating_sub(1);
            }
            AMQPClass::Confirm(_) if self.unconfirmed.is_none() => {
                self.unconfirmed = Some(BTreeSet::new());
                (self.published, self.returned) = (0, 0);
            }
            AMQPClass::Basic(method) => match method {
                basic::AMQPMethod::Qos(qos) => self.prefetch = qos.prefetch_count.into(),
                basic::AMQPMethod::Consume(_) => self.consumers += 1,
                basic::AMQPMethod::Publish(_) => {
                    self.published += 1;
                    if let Some(tags) = &mut self.unconfirmed {
                        tags.insert(self.published);
                    }
                }
                basic::AMQPMethod::Ack(ack) => {
                    settle(&mut self.unsettled, ack.delivery_tag, ack.multiple);
                }
                basic::AMQPMethod::Nack(nack) => {
                    settle(&mut self.unsettled, nack.delivery_tag, nack.multiple);
                }
                basic::AMQPMethod::Reject(reject) => {
                    settle(&mut self.unsettled, reject.delivery_tag, false);
                }
                _ => {}
            },
            _ => {}
        }
    }

    fn theirs(&mut self, method: &AMQPClass) -> Result<(), &'static str> {
        if matches!(self.content, Content::Announced | Content::Body(1.., true)) {
            return Err("a message that is not whole");
        }
        self.content = Content::None;
        let holds = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
        match method {
            AMQPClass::Channel(channel::AMQPMethod::Flow(_)) => {
                self.flows += 1;
                holds(self.flows <= 16, "flow without an end")
            }
            AMQPClass::Basic(method) => match method {
                basic::AMQPMethod::Cancel(_) => {
                    self.cancelled += 1;
                    holds(self.cancelled <= self.consumers, "no subscription to end")
                }
                basic::AMQPMethod::Return(_) => {
                    self.returned += 1;
                    self.content = Content::Announced;
                    holds(self.returned <= self.published, "nothing to return")
                }
                basic::AMQPMethod::Deliver(deliver) => {
                    holds(self.consumers > 0, "no subscription")?;
                    self.delivery(deliver.delivery_tag)
                }
                basic::AMQPMethod::GetOk(get) => self.delivery(get.delivery_tag),
                basic::AMQPMethod::Ack(ack) => self.confirmed(ack.delivery_tag, ack.multiple),
                basic::AMQPMethod::Nack(nack) => self.confirmed(nack.delivery_tag, nack.multiple),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn delivery(&mut self, tag: u64) -> Result<(), &'static str> {
        let most = match self.prefetch {
            0 => usize::from(u16::MAX),
            prefetch => 2 * prefetch,
        };
        if tag != self.delivered + 1 || self.unsettled.len() >= most {
            return Err("a delivery out of turn");
        }
        self.delivered = tag;
        self.unsettled.insert(tag);
        self.content = Content::Announced;
        Ok(())
    }

    fn confirmed(&mut self, tag: u64, multiple: bool) -> Result<(), &'static str> {
        let tags = self.unconfirmed.as_mut().ok_or("nothing is confirmed")?;
        if tag > self.published || !settle(tags, tag, multiple) {
            return Err("a confirm of nothing");
        }
        Ok(())
    }
}

/// Takes out one number, or all up to it, zero meaning all there are; false if there is no such one.
fn settle(open: &mut BTreeSet<u64>, tag: u64, multiple: bool) -> bool {
    if multiple {
        open.retain(|open| tag != 0 && *open > tag);
        true
    } else {
        open.remove(&tag)
    }
}

fn is_close_ok(frame: &AMQPFrame) -> bool {
    let close_ok = AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    *frame == AMQPFrame::Method(0, close_ok)
}
