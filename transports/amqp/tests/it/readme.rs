//! Does each test exist that the README beside this folder names?

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The cases that the first column numbers.
const CASES: u32 = 30;

/// Where the tests of a name are, and what is left of the name.
fn place(name: &str) -> (PathBuf, &str) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(rest) = name.strip_prefix("bus::") {
        (package.join("../../tests/it"), rest)
    } else if let Some(rest) = name.strip_prefix("src::") {
        (package.join("src"), rest)
    } else {
        (package.join("tests/it"), name)
    }
}

/// The source of a module; one that is inside of a file is looked for in that file.
fn source(root: &Path, modules: &[&str]) -> Option<String> {
    let path = root.join(modules.join("/"));
    let own = [path.with_extension("rs"), path.join("mod.rs")];
    let found = own.iter().find_map(|file| fs::read_to_string(file).ok());
    match modules {
        [] => None,
        [.., "tests"] => found.or_else(|| source(root, &modules[..modules.len() - 1])),
        _ => found,
    }
}

/// Whether there is a function of this name that is a test.
fn is_test(name: &str) -> bool {
    let (root, rest) = place(name);
    let path: Vec<&str> = rest.split("::").collect();
    let Some((function, modules)) = path.split_last() else {
        return false;
    };
    let Some(source) = source(&root, modules) else {
        return false;
    };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let declares = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = line.strip_prefix("fn ");
        rest.is_some_and(|rest| rest.split('(').next() == Some(*function))
    };
    let found = lines.iter().position(|line| declares(line));
    found.is_some_and(|at| {
        let attributes = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with("#["));
        attributes.into_iter().any(|line| line.contains("test"))
    })
}

#[test]
fn each_test_that_the_readme_names_exists_and_each_case_has_one() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(package.join("tests/README.md")).expect("it is there");
    let mut cases = Vec::new();
    let (mut count, mut missing) = (0, Vec::new());
    for line in readme.lines().filter(|line| line.starts_with("| ")) {
        let case = line.split('|').nth(1).expect("a column").trim();
        cases.extend(case.parse::<u32>());
        let names = line.split('`').skip(1).step_by(2);
        let names: Vec<&str> = names.filter(|name| name.contains("::")).collect();
        assert!(
            !names.is_empty() || line.contains("| none: ") || line.contains("| test |"),
            "{line}"
        );
        count += names.len();
        missing.extend(names.into_iter().filter(|name| !is_test(name)));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 60, "{count}");
    assert!(cases.into_iter().eq(1..=CASES));
    assert!(!is_test("faults::no_such_test") && !is_test("support::message"));
    assert!(!is_test("bus::rabbitmq::config") && !is_test("src::backoff::tests::outage"));
}
