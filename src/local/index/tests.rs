use super::{words::MAX_WORDS, *};

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).expect(text)
}

fn found(index: &Index<u8>, key: &str) -> Vec<u8> {
    let mut found = Vec::new();
    index.walk(key, |item| found.push(*item));
    found.sort_unstable();
    found
}

/// The bindings of RabbitMQ's own topic exchange test, in its numbering (t24 is not used).
#[rustfmt::skip]
const BINDINGS: [(u8, &str); 26] = [
    (1, "a.b.c"), (2, "a.*.c"), (3, "a.#.b"), (4, "a.b.b.c"), (5, "#"), (6, "#.#"),
    (7, "#.b"), (8, "*.*"), (9, "a.*"), (10, "*.b.c"), (11, "a.#"), (12, "a.#.#"),
    (13, "b.b.c"), (14, "a.b.b"), (15, "a.b"), (16, "b.c"), (17, ""), (18, "*.*.*"),
    (19, "vodka.martini"), (20, "a.b.c"), (21, "*.#"), (22, "#.*.#"), (23, "*.#.#"),
    (25, "*"), (26, "#.b.#"), (27, "args-test"),
];

/// Routing keys, and the bindings that RabbitMQ 3.10.8 routed them to.
const ROUTED: [(&str, &[u8]); 12] = [
    ("a.b.c", &[1, 2, 5, 6, 10, 11, 12, 18, 20, 21, 22, 23, 26]),
    ("a.b", &[3, 5, 6, 7, 8, 9, 11, 12, 15, 21, 22, 23, 26]),
    ("a.b.b", &[3, 5, 6, 7, 11, 12, 14, 18, 21, 22, 23, 26]),
    ("", &[5, 6, 17]),
    ("b.c.c", &[5, 6, 18, 21, 22, 23, 26]),
    ("a.a.a.a.a", &[5, 6, 11, 12, 21, 22, 23]),
    ("vodka.gin", &[5, 6, 8, 21, 22, 23]),
    ("vodka.martini", &[5, 6, 8, 19, 21, 22, 23]),
    ("b.b.c", &[5, 6, 10, 13, 18, 21, 22, 23, 26]),
    ("nothing.here.at.all", &[5, 6, 21, 22, 23]),
    ("oneword", &[5, 6, 21, 22, 23, 25]),
    ("args-test", &[5, 6, 21, 22, 23, 25, 27]),
];

#[test]
fn it_selects_as_rabbitmq_s_own_table_says() {
    // By text: neither the empty pattern nor the empty key has a type, and `#.#` would be joined.
    let mut index = Index::default();
    for (number, binding) in BINDINGS {
        index.insert_text(binding, number);
    }
    for (key, expected) in ROUTED {
        assert_eq!(found(&index, key), expected, "key {key:?}");
    }
}

#[test]
fn what_is_removed_leaves_nothing_behind() {
    let mut index = Index::default();
    let _kept = index.insert(&pattern("a.*.c"), 0);
    let settled = |index: &Index<u8>| {
        let (nodes, room) = index.root.size();
        assert_eq!((index.len(), nodes), (1, 4), "the root, a, *, c");
        assert!(room <= 32, "room for {room}");
    };
    let cycle = |index: &mut Index<u8>, number: usize| {
        index.insert(&pattern(&format!("a.*.w{number}.#.{}", number % 7)), 1)
    };
    // One at a time, then all at once.
    for number in 0..10_000 {
        let token = cycle(&mut index, number);
        assert_eq!(index.remove(&token), Some(1));
        assert_eq!(index.remove(&token), None, "it is out already");
    }
    settled(&index);
    let tokens: Vec<_> = (0..10_000)
        .map(|number| cycle(&mut index, number))
        .collect();
    assert_eq!(index.len(), 10_001);
    for token in &tokens {
        assert_eq!(index.remove(token), Some(1));
    }
    settled(&index);
}

#[test]
fn a_clone_is_not_touched_by_what_happens_to_the_original() {
    let mut index = Index::default();
    assert!(index.is_empty());
    let token = index.insert(&pattern("a.#"), 1);
    let before = index.clone();
    index.insert(&pattern("a.b"), 2);
    assert_eq!(index.remove(&token), Some(1));
    assert_eq!((found(&before, "a.b"), before.len()), (vec![1], 1));
    assert_eq!((found(&index, "a.b"), index.len()), (vec![2], 1));
}

#[test]
fn ten_thousand_other_patterns_cost_nothing() {
    let mut index = Index::default();
    let here = ["plant.boiler.7.heat", "plant.*.7.#", "#.heat"];
    for text in here {
        index.insert(&pattern(text), 0);
    }
    let few = index.walk("plant.boiler.7.heat", |_| ());
    for number in 0..2_500 {
        let others = [
            format!("plant{number}.boiler.7.heat"),
            format!("plant.*.x{number}.#"),
            format!("#.cold{number}"),
            format!("*.boiler.y{number}.*"),
        ];
        for text in others {
            index.insert(&pattern(&text), 1);
        }
    }
    let mut count = 0;
    let many = index.walk("plant.boiler.7.heat", |item| {
        assert_eq!(*item, 0);
        count += 1;
    });
    assert_eq!(count, here.len());
    // The nodes of `*` and `*.boiler` are new on the way; nothing else is.
    assert!(many <= few + 8, "{few} steps, then {many}");
}

/// Every pattern of up to six words out of four, against the keys that fit most of them in most ways.
#[test]
fn no_key_makes_it_visit_a_node_twice() {
    let mut texts = vec![String::new()];
    let mut index = Index::default();
    for _ in 0..6 {
        texts = texts
            .iter()
            .flat_map(|text| ["a", "b", "*", "#"].map(|word| format!("{text}{word}.")))
            .collect();
        for text in &texts {
            if let Ok(pattern) = Pattern::new(text.trim_end_matches('.')) {
                index.insert(&pattern, 0);
            }
        }
    }
    let (nodes, _) = index.root.size();
    for words in [["a", "a"], ["a", "b"]] {
        let key: Vec<&str> = words.into_iter().cycle().take(MAX_WORDS).collect();
        let steps = index.walk(&key.join("."), |_| ());
        // Per node: the visit, a look-up for each word, and a comparison for each on behalf of a child.
        assert!(steps <= nodes * (1 + 2 * MAX_WORDS), "{steps} of {nodes}");
    }
}
