use std::fmt;

use super::{Name, Observer, observer::Reporter};

/// Makes a layer, with all that is not in a configuration: `XLayer::builder(config)`, then what is wished, then
/// `build`.
#[derive(Clone)]
pub struct Builder<Config, Extra = ()> {
    pub(super) config: Config,
    pub(super) reporter: Reporter,
    /// What only some layers have.
    pub(super) extra: Extra,
}

impl<Config, Extra> Builder<Config, Extra> {
    pub(super) const fn new(name: &'static str, config: Config, extra: Extra) -> Self {
        Self {
            config,
            reporter: Reporter::new(Name::from_static(name)),
            extra,
        }
    }

    /// The name in errors, notices and reports; by default that of what the layer is: `breaker`, `bulkhead`.
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.reporter.name = name.into();
        self
    }

    /// Who is told of what happens to it: transitions, rejections, and whatever else [`What`](super::What) has
    /// of such a layer. Each of several is told, in the order in which they were set.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.reporter.observe(observer);
        self
    }

    /// The same with another extra.
    pub(super) fn with<Other>(self, extra: impl FnOnce(Extra) -> Other) -> Builder<Config, Other> {
        Builder {
            config: self.config,
            reporter: self.reporter,
            extra: extra(self.extra),
        }
    }
}

/// What a [`Builder`] has besides where a layer asks what the outcome of a call means, and throws dice.
#[derive(Clone, Debug)]
pub struct Classified<C> {
    pub(super) classifier: C,
    pub(super) seed: Option<u64>,
    /// Of a breaker: whether it counts every call.
    pub(super) counts_calls: bool,
}

impl<C> Classified<C> {
    pub(super) const fn by(classifier: C) -> Self {
        Self {
            classifier,
            seed: None,
            counts_calls: false,
        }
    }
}

impl<Config, C> Builder<Config, Classified<C>> {
    /// A classifier that has a name: a `Classifier` of the layer. For a function there is `classify`.
    pub fn classifier<D>(self, classifier: D) -> Builder<Config, Classified<D>> {
        self.with(|before| Classified {
            classifier,
            seed: before.seed,
            counts_calls: before.counts_calls,
        })
    }

    /// Makes what is random the same in every run, for tests; else it differs between layers.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.extra.seed = Some(seed);
        self
    }
}

impl<Config: fmt::Debug, Extra> fmt::Debug for Builder<Config, Extra> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("reporter", &self.reporter)
            .finish_non_exhaustive()
    }
}
