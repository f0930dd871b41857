use std::task::Waker;

/// Those who wait, in the order in which they came: a list through one block of memory, which grows to the most who
/// have ever waited at a time. To come, to leave and to be served take the same time however many there are.
#[derive(Debug, Default)]
pub(super) struct Queue {
    nodes: Vec<Node>,
    first: Option<usize>,
    last: Option<usize>,
    /// The first of those that nobody has, each of which names the next.
    free: Option<usize>,
}

#[derive(Debug)]
enum Node {
    Free {
        next: Option<usize>,
    },
    /// Has a slot, and does not know it yet.
    Served,
    Waiting {
        before: Option<usize>,
        after: Option<usize>,
        waker: Option<Waker>,
    },
}

/// How it is with somebody in the queue.
pub(super) enum Seen {
    /// It has a slot, and is not in the queue any more.
    Served,
    /// It waits, and has left another waker than this, or none.
    Waiting,
    /// It waits, and will be woken by this waker.
    WaitingAsleep,
}

impl Queue {
    /// At the end.
    pub(super) fn push(&mut self) -> usize {
        let node = Node::Waiting {
            before: self.last,
            after: None,
            waker: None,
        };
        let index = self.place(node);
        match self.last.replace(index) {
            Some(last) => *self.links(last).1 = Some(index),
            None => self.first = Some(index),
        }
        index
    }

    fn place(&mut self, node: Node) -> usize {
        let Some(index) = self.free else {
            self.nodes.push(node);
            return self.nodes.len() - 1;
        };
        let free = std::mem::replace(&mut self.nodes[index], node);
        self.free = match free {
            Node::Free { next } => next,
            Node::Served | Node::Waiting { .. } => {
                unreachable!("only what is free is in that list")
            }
        };
        index
    }

    /// Serves who came first; what wakes it, if it is asleep.
    pub(super) fn serve_first(&mut self) -> Option<Waker> {
        let first = self.first?;
        self.unlink(first);
        match std::mem::replace(&mut self.nodes[first], Node::Served) {
            Node::Waiting { waker, .. } => waker,
            Node::Free { .. } | Node::Served => None,
        }
    }

    /// Looks after somebody who may be woken by this waker.
    pub(super) fn see(&mut self, index: usize, waker: &Waker) -> Seen {
        match &self.nodes[index] {
            Node::Waiting {
                waker: Some(left), ..
            } if left.will_wake(waker) => Seen::WaitingAsleep,
            Node::Waiting { .. } => Seen::Waiting,
            Node::Free { .. } | Node::Served => {
                self.free(index);
                Seen::Served
            }
        }
    }

    /// Leaves a waker for somebody who waits; the one that it takes the place of. If it was served it gets the waker
    /// back, and is not in the queue any more.
    pub(super) fn leave_waker(&mut self, index: usize, new: Waker) -> Result<Option<Waker>, Waker> {
        if let Node::Waiting { waker, .. } = &mut self.nodes[index] {
            return Ok(waker.replace(new));
        }
        self.free(index);
        Err(new)
    }

    /// Takes somebody out: the waker that it left, or an error if it was served.
    pub(super) fn remove(&mut self, index: usize) -> Result<Option<Waker>, ()> {
        if matches!(self.nodes[index], Node::Waiting { .. }) {
            self.unlink(index);
        }
        match self.free(index) {
            Node::Waiting { waker, .. } => Ok(waker),
            Node::Free { .. } | Node::Served => Err(()),
        }
    }

    fn free(&mut self, index: usize) -> Node {
        let next = self.free.replace(index);
        std::mem::replace(&mut self.nodes[index], Node::Free { next })
    }

    fn unlink(&mut self, index: usize) {
        let (&mut before, &mut after) = self.links(index);
        match before {
            Some(before) => *self.links(before).1 = after,
            None => self.first = after,
        }
        match after {
            Some(after) => *self.links(after).0 = before,
            None => self.last = before,
        }
    }

    /// Who comes before and after somebody who waits.
    fn links(&mut self, index: usize) -> (&mut Option<usize>, &mut Option<usize>) {
        match &mut self.nodes[index] {
            Node::Waiting { before, after, .. } => (before, after),
            Node::Free { .. } | Node::Served => unreachable!("only those who wait are linked"),
        }
    }

    /// How many have been in it at a time, at most.
    #[cfg(test)]
    pub(super) const fn size(&self) -> usize {
        self.nodes.len()
    }
}
