//! What may the broker send on this channel now? Pure.
//!
//! lapin believes a broker. It keeps whatever that sends until somebody takes it, however much it is: messages
//! beyond the prefetch, returns of what was never published, messages that never begin. A broker that does so is
//! none, and its connection is ended before it costs more.

use std::collections::VecDeque;

use super::{outgoing::Said, scanner::Broken};

/// How often the broker may ask for flow or silence before that is answered. RabbitMQ never does.
const FLOWS: u32 = 16;

/// One channel that is open.
#[derive(Debug)]
pub(super) struct Channel {
    content: Content,
    /// The exchange and the routing key of the message that comes, if one of them is not readable.
    key: Option<Vec<u8>>,
    published: u64,
    returned: u64,
    /// The numbers of those that are to be confirmed, in order; none where nothing is.
    unconfirmed: Option<VecDeque<u64>>,
    /// So many subscriptions were asked for, and so many has the broker ended.
    consumers: u64,
    cancelled: u64,
    prefetch: u16,
    /// The number of the last delivery.
    delivered: u64,
    /// Deliveries that were not settled yet, in order.
    unsettled: VecDeque<u64>,
    flows: u32,
}

/// How far the message is that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    None,
    /// Its header is next.
    Announced,
    /// So much of its body is to come.
    Coming(u64),
    /// The same, and lapin is not to see it.
    LeftOut(u64),
}

impl Channel {
    pub(super) fn new() -> Self {
        Self {
            content: Content::None,
            key: None,
            published: 0,
            returned: 0,
            unconfirmed: None,
            consumers: 0,
            cancelled: 0,
            prefetch: 0,
            delivered: 0,
            unsettled: VecDeque::new(),
            flows: 0,
        }
    }

    /// The broker is told this.
    pub(super) fn told(&mut self, said: Said) {
        match said {
            Said::Qos { prefetch } => self.prefetch = prefetch,
            Said::Consume => self.consumers += 1,
            Said::Confirm if self.unconfirmed.is_none() => {
                self.unconfirmed = Some(VecDeque::new());
                // They are counted from here on.
                self.published = 0;
                self.returned = 0;
            }
            Said::Publish => {
                self.published += 1;
                if let Some(unconfirmed) = &mut self.unconfirmed {
                    unconfirmed.push_back(self.published);
                }
            }
            Said::FlowOk => self.flows = self.flows.saturating_sub(1),
            Said::Settle { tag, multiple } => {
                // Whether it was among them, the broker knows better.
                let _ = settle(&mut self.unsettled, tag, multiple);
            }
            Said::Confirm | Said::Open | Said::CloseOk | Said::Other => {}
        }
    }

    /// The broker sends this method, which is one of those that it may send.
    pub(super) fn method(&mut self, number: (u8, u8), arguments: &[u8]) -> Result<(), Broken> {
        match self.content {
            Content::Announced | Content::Coming(1..) => {
                return Err(Broken("a message that is broken off"));
            }
            // What lapin was not to see it does not miss.
            Content::None | Content::Coming(0) | Content::LeftOut(_) => {
                self.content = Content::None;
            }
        }
        match number {
            (20, 20) => {
                self.flows += 1;
                if self.flows > FLOWS {
                    return Err(Broken("one request for flow after the other"));
                }
            }
            (60, 30) => {
                self.cancelled += 1;
                if self.cancelled > self.consumers {
                    return Err(Broken("the end of no subscription"));
                }
            }
            (60, 50) => {
                self.returned += 1;
                if self.returned > self.published {
                    return Err(Broken("a return of what was not published"));
                }
                self.content = Content::Announced;
            }
            (60, 60) if self.consumers == 0 => {
                return Err(Broken("a message for no subscription"));
            }
            (60, 60 | 71) => {
                // The first text is the name of the consumer; the answer to a get has none.
                let at = if number.1 == 60 {
                    1 + usize::from(*arguments.first().unwrap_or(&0))
                } else {
                    0
                };
                self.delivery(tag(arguments.get(at..)))?;
                self.content = Content::Announced;
            }
            (60, 80 | 120) => {
                let multiple = arguments.get(8).is_some_and(|flags| flags & 1 == 1);
                let tag = tag(Some(arguments));
                let unconfirmed = self.unconfirmed.as_mut();
                let known = unconfirmed.is_some_and(|tags| settle(tags, tag, multiple));
                if !known || tag > self.published {
                    return Err(Broken(
                        "a confirm of what it was not sent, or of nothing new",
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Numbers are given one after the other, from 1 on, to whatever is delivered on a channel.
    fn delivery(&mut self, tag: u64) -> Result<(), Broken> {
        if tag != self.delivered + 1 {
            return Err(Broken("a delivery out of order"));
        }
        self.delivered = tag;
        // Twice, so that no broker is taken for an attacker for counting in another way.
        let most = match self.prefetch {
            0 => usize::from(u16::MAX),
            prefetch => 2 * usize::from(prefetch),
        };
        if self.unsettled.len() >= most {
            return Err(Broken("more messages than it was asked for"));
        }
        self.unsettled.push_back(tag);
        Ok(())
    }

    /// The names of the message that comes are not readable.
    pub(super) fn keep_key(&mut self, key: Option<Vec<u8>>) {
        self.key = key;
    }

    /// A header announces a body of so many bytes, which lapin may see, or not. Gives what is kept of the names.
    pub(super) fn header(&mut self, body: u64, left_out: bool) -> Result<Option<Vec<u8>>, Broken> {
        if self.content != Content::Announced {
            return Err(Broken("a content header that belongs to nothing"));
        }
        self.content = if left_out {
            Content::LeftOut(body)
        } else {
            Content::Coming(body)
        };
        Ok(self.key.take())
    }

    /// So many bytes of a body come; false if they are left out.
    pub(super) fn body(&mut self, bytes: u64) -> Result<bool, Broken> {
        let (left, passes) = match &mut self.content {
            Content::Coming(left) => (left, true),
            Content::LeftOut(left) => (left, false),
            Content::None | Content::Announced => {
                return Err(Broken("a body that belongs to nothing"));
            }
        };
        *left = left
            .checked_sub(bytes)
            .ok_or(Broken("more of a body than was announced"))?;
        Ok(passes)
    }
}

/// Takes out the number `tag`, or all up to it, zero meaning all there are; false if it is not there.
fn settle(open: &mut VecDeque<u64>, tag: u64, multiple: bool) -> bool {
    if multiple {
        while open.front().is_some_and(|first| tag == 0 || *first <= tag) {
            open.pop_front();
        }
        return true;
    }
    let index = open.binary_search(&tag).ok();
    index.and_then(|index| open.remove(index)).is_some()
}

fn tag(arguments: Option<&[u8]>) -> u64 {
    let bytes = arguments.and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
