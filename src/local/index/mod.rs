//! Which patterns select a key, found without trying every pattern.

#[cfg(test)]
mod model;
mod node;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use algedonic_transport::{Key, Pattern};

use self::{
    node::Node,
    words::{Places, Words},
};

/// Items under patterns: a trie of the patterns' words, with a branch for `*` and one for `#`.
///
/// [`matching`](Self::matching) goes through the trie once, with the set of all places in the key
/// at which a pattern may go on. So it visits a node at most once, gives each item at most once,
/// and allocates nothing. Its cost is at most the visited nodes times the words of the key; a node
/// is visited only if the words down to it fit the beginning of the key.
///
/// A clone costs one pointer, and shares its nodes until one of the two is changed: a change then
/// copies the nodes on its way, not the index.
#[derive(Clone, Debug)]
pub(crate) struct Index<T> {
    root: Arc<Node<T>>,
    next: u64,
    len: usize,
}

/// What [`Index::remove`] takes an item out by. Good for the index that made it,
/// and for clones made since.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pattern: Pattern,
    id: u64,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self {
            root: Arc::default(),
            next: 0,
            len: 0,
        }
    }
}

impl<T> Index<T> {
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Calls `each` once for every item whose pattern selects `key`: items of one pattern in the
    /// order in which they came, patterns in no particular order.
    pub(crate) fn matching(&self, key: &Key, each: impl FnMut(&T)) {
        self.walk(key, each);
    }

    /// How many steps it took: nodes visited, words looked up, words compared.
    fn walk(&self, key: &str, each: impl FnMut(&T)) -> usize {
        let words = Words::of(key);
        let start = words.start();
        let mut walk = Walk {
            words,
            each,
            steps: 0,
        };
        walk.visit(&self.root, start);
        walk.steps
    }
}

impl<T: Clone> Index<T> {
    pub(crate) fn insert(&mut self, pattern: &Pattern, item: T) -> Token {
        let id = self.insert_text(pattern.as_str(), item);
        Token {
            pattern: pattern.clone(),
            id,
        }
    }

    fn insert_text(&mut self, pattern: &str, item: T) -> u64 {
        let id = self.next;
        self.next += 1;
        self.len += 1;
        Arc::make_mut(&mut self.root).insert(&mut words::split(pattern), id, item);
        id
    }

    /// Takes the item out, and every node that stood for it alone. None if it is out already.
    pub(crate) fn remove(&mut self, token: &Token) -> Option<T> {
        let mut words = words::split(token.pattern.as_str());
        let item = Arc::make_mut(&mut self.root).remove(&mut words, token.id)?;
        self.len -= 1;
        Some(item)
    }
}

/// One way through the trie.
struct Walk<'k, F> {
    words: Words<'k>,
    each: F,
    steps: usize,
}

impl<F> Walk<'_, F> {
    /// `places` is never empty. Recurses as deep as the longest pattern has words: 128.
    fn visit<T>(&mut self, node: &Node<T>, places: Places)
    where
        F: FnMut(&T),
    {
        self.steps += 1;
        if places.at_end() {
            node.items().for_each(&mut self.each);
        }
        if let Some(child) = node.any_words() {
            self.visit(child, self.words.onwards(places));
        }
        if let Some(child) = node.one_word()
            && let Some(after) = self.words.after(places)
        {
            self.visit(child, after);
        }
        if !node.has_literals() {
            return;
        }
        let mut rest = places;
        while let Some(at) = rest.take_word() {
            self.steps += 1;
            let word = self.words.word(at);
            let Some(child) = node.literal(word) else {
                continue;
            };
            // The same word further on leads to the same child: both go there together.
            let mut same = Places::before(at);
            for other in rest.words() {
                self.steps += 1;
                if self.words.word(other) == word {
                    same.add(other);
                }
            }
            rest.subtract(same);
            if let Some(after) = self.words.after(same) {
                self.visit(child, after);
            }
        }
    }
}
