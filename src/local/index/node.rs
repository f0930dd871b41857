use std::{collections::HashMap, sync::Arc};

/// The patterns that begin alike: what ends here, and where they go on.
#[derive(Clone, Debug)]
pub(super) struct Node<T> {
    /// By rising id.
    entries: Vec<(u64, T)>,
    literals: HashMap<Arc<str>, Arc<Self>>,
    one_word: Option<Arc<Self>>,
    any_words: Option<Arc<Self>>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            literals: HashMap::new(),
            one_word: None,
            any_words: None,
        }
    }
}

impl<T> Node<T> {
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, item)| item)
    }

    /// Where `*` leads.
    pub(super) fn one_word(&self) -> Option<&Self> {
        self.one_word.as_deref()
    }

    /// Where `#` leads.
    pub(super) fn any_words(&self) -> Option<&Self> {
        self.any_words.as_deref()
    }

    pub(super) fn has_literals(&self) -> bool {
        !self.literals.is_empty()
    }

    pub(super) fn literal(&self, word: &str) -> Option<&Self> {
        self.literals.get(word).map(|child| &**child)
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.literals.is_empty()
            && self.one_word.is_none()
            && self.any_words.is_none()
    }

    /// How many nodes, and room for how many children and entries; for tests.
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        let wild = [self.one_word(), self.any_words()].into_iter().flatten();
        let literals = self.literals.values().map(|child| &**child);
        let own = (1, self.literals.capacity() + self.entries.capacity());
        wild.chain(literals)
            .map(Self::size)
            .fold(own, |sum, child| (sum.0 + child.0, sum.1 + child.1))
    }
}

impl<T: Clone> Node<T> {
    /// Ids rise from one call to the next.
    pub(super) fn insert(&mut self, words: &mut dyn Iterator<Item = &str>, id: u64, item: T) {
        let child = match words.next() {
            None => return self.entries.push((id, item)),
            Some("*") => self.one_word.get_or_insert_default(),
            Some("#") => self.any_words.get_or_insert_default(),
            Some(word) => self.literals.entry(word.into()).or_default(),
        };
        Arc::make_mut(child).insert(words, id, item);
    }

    /// None, and nothing changed, if there is no such entry.
    pub(super) fn remove(&mut self, words: &mut dyn Iterator<Item = &str>, id: u64) -> Option<T> {
        match words.next() {
            None => {
                let at = self.entries.binary_search_by_key(&id, |(id, _)| *id).ok()?;
                let (_, item) = self.entries.remove(at);
                if self.entries.len() < self.entries.capacity() / 4 {
                    self.entries.shrink_to(self.entries.len() * 2);
                }
                Some(item)
            }
            Some("*") => Self::remove_below(&mut self.one_word, words, id),
            Some("#") => Self::remove_below(&mut self.any_words, words, id),
            Some(word) => {
                let child = Arc::make_mut(self.literals.get_mut(word)?);
                let item = child.remove(words, id)?;
                if child.is_empty() {
                    self.literals.remove(word);
                    if self.literals.len() < self.literals.capacity() / 4 {
                        self.literals.shrink_to(self.literals.len() * 2);
                    }
                }
                Some(item)
            }
        }
    }

    fn remove_below(
        child: &mut Option<Arc<Self>>,
        words: &mut dyn Iterator<Item = &str>,
        id: u64,
    ) -> Option<T> {
        let node = Arc::make_mut(child.as_mut()?);
        let item = node.remove(words, id)?;
        if node.is_empty() {
            *child = None;
        }
        Some(item)
    }
}
