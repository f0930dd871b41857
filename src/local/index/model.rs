//! The index against trying every pattern, for any sequence of steps.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Insert(Pattern),
    Remove(prop::sample::Index),
    Match(Key),
}

fn step() -> impl Strategy<Value = Step> {
    let text = |words: &'static [&'static str], longest| {
        prop::collection::vec(prop::sample::select(words), 1..longest)
            .prop_map(|words| words.join("."))
    };
    prop_oneof![
        4 => text(&["a", "b", "*", "#"], 7)
            .prop_filter_map("too many #", |text| Pattern::new(text).ok().map(Step::Insert)),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
        4 => text(&["a", "b", "c"], 8).prop_map(|text| Step::Match(Key::new(text).expect("a key"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn it_finds_what_trying_every_pattern_finds(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut index = Index::default();
        let mut model: Vec<(Token, usize)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(pattern) => model.push((index.insert(&pattern, number), number)),
                Step::Remove(at) if !model.is_empty() => {
                    let (token, item) = model.swap_remove(at.index(model.len()));
                    prop_assert_eq!(index.remove(&token), Some(item));
                }
                Step::Remove(_) => prop_assert!(index.is_empty()),
                Step::Match(key) => {
                    let mut found = Vec::new();
                    index.matching(&key, |item| found.push(*item));
                    found.sort_unstable();
                    let mut expected: Vec<usize> = model
                        .iter()
                        .filter(|(token, _)| token.pattern.matches(&key))
                        .map(|(_, item)| *item)
                        .collect();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!(index.len(), model.len());
        }
    }
}
