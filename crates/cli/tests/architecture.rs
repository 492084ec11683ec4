//! The rules that the compiler does not check: who depends on whom, and what a file looks like.
//!
//! A failure says what to change. Whoever means to change the architecture changes the lists at
//! the end of this file, in a commit of its own, and ARCHITECTURE.md with them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn crates_depend_only_on_those_below_them() {
    for (name, manifest) in crates() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            panic!("crates/{name} is not in ALLOWED: say in {THIS} what it may depend on");
        };
        for dependency in normal_dependencies(&manifest).intersection(&names()) {
            assert!(
                allowed.contains(&dependency.as_str()),
                "{name} depends on {dependency}, but may only use {allowed:?}: move what it needs to one of \
                 those, or hand it in from above"
            );
        }
    }
}

#[test]
fn the_core_has_no_runtime_below_it() {
    for name in CORE {
        let tree = cargo_tree(name);
        for package in tree.lines().filter_map(|line| line.split(' ').next()) {
            assert!(
                !RUNTIME.contains(&package),
                "{name} pulls in {package}: threads, sockets, clocks and randomness belong into server; \
                 `cargo tree -p {name} -e normal -i {package}` shows the way"
            );
        }
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for (name, manifest) in crates() {
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(
            inherits.and_then(toml::Value::as_bool),
            Some(true),
            "crates/{name}/Cargo.toml needs `[lints]` with `workspace = true`"
        );
    }
}

#[test]
fn there_is_no_unsafe_code() {
    for path in sources() {
        let shown = shown(&path);
        if UNSAFE_ALLOWED.contains(&shown.as_str()) {
            continue;
        }
        for (number, line) in (1..).zip(read(&path).lines()) {
            assert!(
                !is_unsafe(line),
                "{shown}:{number} is unsafe: find a safe crate for it, or put it into one module with a SAFETY \
                 comment and Miri, and name that module in UNSAFE_ALLOWED"
            );
        }
    }
}

#[test]
fn files_are_of_a_size_to_be_read() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, {LINES_MAX} are allowed: which second question does it answer? Give that \
             one a file of its own",
            shown(&path)
        );
    }
}

#[test]
fn every_crate_says_what_it_is() {
    for (name, _) in crates() {
        let roots =
            ["src/lib.rs", "src/main.rs"].map(|root| root_dir().join("crates").join(&name).join(root));
        let mut found = roots.iter().filter(|path| path.exists()).peekable();
        assert!(found.peek().is_some(), "crates/{name} has neither src/lib.rs nor src/main.rs");
        for path in found {
            assert!(
                read(path).starts_with("//! "),
                "{} must begin with `//!`: what it is, why it exists, what it does not do",
                shown(path)
            );
        }
    }
}

/// The next protocol is written beside text, and nothing that serves any protocol is to be bent
/// around one. Sniffing asks text what a blank is; a connection hands bytes to the text beside it.
#[test]
fn only_text_s_own_rooms_know_the_words_of_text() {
    let of_any_protocol =
        ["crates/topic/src", "crates/broker/src", "crates/server/src", "crates/frontend/src"];
    let may_name_it = ["crates/frontend/src/text/", "crates/frontend/src/sniffing.rs"];
    for path in sources() {
        let shown = shown(&path);
        let is_asked = of_any_protocol.iter().any(|room| shown.starts_with(room));
        if is_asked && !may_name_it.iter().any(|room| shown.starts_with(room)) {
            assert!(
                !read(&path).contains("wire::text"),
                "{shown} names words of text: they go into frontend/text"
            );
        }
    }
}

#[test]
fn the_tests_that_the_promises_name_exist() {
    let page = read(&root_dir().join("docs/delivery.md"));
    let sources: Vec<(PathBuf, String)> =
        sources().into_iter().map(|path| (path.clone(), read(&path))).collect();
    let named = page.split('`').filter_map(|word| word.split_once(".rs::"));
    for (file, test) in named.clone() {
        let file_name = format!("{file}.rs");
        let declared = format!("fn {test}(");
        let exists =
            sources.iter().any(|(path, text)| path.ends_with(&file_name) && text.contains(&declared));
        assert!(
            exists,
            "docs/delivery.md names {file}.rs::{test}: name the test that checks that promise now"
        );
    }
    assert!(named.count() > 10, "the page names its tests as `file.rs::test`");
    for checker in page.split("sim: ").skip(1).flat_map(checkers) {
        let quoted = format!("\"{checker}\"");
        let exists = sources
            .iter()
            .any(|(path, text)| shown(path).starts_with("crates/sim/") && text.contains(&quoted));
        assert!(exists, "docs/delivery.md names the checker {checker:?}, which the simulator does not have");
    }
}

/// The names in `loss, gap; …`.
fn checkers(list: &str) -> impl Iterator<Item = &str> {
    let end = list.find(|c: char| !c.is_ascii_lowercase() && !matches!(c, ',' | ' ')).unwrap_or(list.len());
    let names = list.get(..end).unwrap_or_default();
    names.split(", ").map(str::trim).filter(|name| !name.is_empty() && !name.contains(' '))
}

#[test]
fn unsafe_is_recognised() {
    for line in ["unsafe { f() }", "    pub unsafe fn f() {", "#[unsafe(no_mangle)]", "x = unsafe{1};"] {
        assert!(is_unsafe(line), "{line}");
    }
    for line in ["// unsafe { f() }", "#![forbid(unsafe_code)]", "fn is_unsafe(line: &str)", "a(\"unsafe\")"]
    {
        assert!(!is_unsafe(line), "{line}");
    }
}

/// A guess from one line; the lint `unsafe_code` is the other guard.
fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '"');
    code.match_indices("unsafe").any(|(at, word)| {
        let (before, after) = (code.get(..at), code.get(at + word.len()..));
        !before.is_some_and(|text| text.ends_with(in_word))
            && !after.is_some_and(|text| text.starts_with(in_word))
    })
}

/// The crates with their manifests, by the name of their folder.
fn crates() -> Vec<(String, toml::Table)> {
    let mut crates: Vec<_> = entries(&root_dir().join("crates"))
        .into_iter()
        .filter(|folder| folder.join("Cargo.toml").exists())
        .map(|folder| {
            let manifest: toml::Table = read(&folder.join("Cargo.toml")).parse().expect("a manifest is TOML");
            let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
            let package = manifest["package"]["name"].as_str().expect("a package has a name");
            assert_eq!(package, name, "a crate is called like its folder");
            (name, manifest)
        })
        .collect();
    crates.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert!(crates.len() >= CORE.len(), "the crates are where they should be");
    crates
}

fn names() -> BTreeSet<String> {
    crates().into_iter().map(|(name, _)| name).collect()
}

/// What the crate itself needs; its tests may use more.
fn normal_dependencies(manifest: &toml::Table) -> BTreeSet<String> {
    let own = [manifest.get("dependencies"), manifest.get("build-dependencies")];
    let platforms = manifest.get("target").and_then(toml::Value::as_table);
    let per_platform = platforms.into_iter().flat_map(|all| all.values().map(|one| one.get("dependencies")));
    let tables = own.into_iter().chain(per_platform).flatten().filter_map(toml::Value::as_table);
    tables.flat_map(|table| table.iter().map(package_name)).collect()
}

/// A dependency may be renamed.
fn package_name((key, value): (&String, &toml::Value)) -> String {
    value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned()
}

/// Everything that is built for a crate, one package a line; without what only its tests use.
fn cargo_tree(name: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--package", name])
        .current_dir(root_dir())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are UTF-8")
}

/// Every `.rs` file of the crates and the fuzz targets.
fn sources() -> Vec<PathBuf> {
    let mut pending = vec![root_dir().join("crates"), root_dir().join("fuzz")];
    let mut sources = Vec::new();
    while let Some(folder) = pending.pop() {
        for path in entries(&folder) {
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    assert!(sources.len() > 20, "the sources are where they should be");
    sources.sort();
    sources
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.expect("a folder can be listed").path()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root_dir()).unwrap_or(path).display().to_string()
}

fn root_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("a crate lies two folders down")
        .to_path_buf()
}

const THIS: &str = "crates/cli/tests/architecture.rs";

/// The arrows of ARCHITECTURE.md: each crate, and which crates of this project it may use.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("topic", &[]),
    ("wire", &["topic"]),
    ("client", &["wire"]),
    ("broker", &["topic"]),
    ("frontend", &["broker", "topic", "wire"]),
    ("server", &["broker", "frontend", "topic", "wire"]),
    ("cli", &["client", "server", "wire"]),
    ("bench", &["cli", "wire"]),
    ("sim", &["broker", "frontend", "topic", "wire"]),
];

/// The crates that the simulator drives: no clock, thread, socket, file or random number.
const CORE: [&str; 4] = ["topic", "wire", "broker", "frontend"];

/// What would bring one of those in.
const RUNTIME: [&str; 24] = [
    "async-std",
    "chrono",
    "crossbeam-channel",
    "fastrand",
    "futures",
    "getrandom",
    "libc",
    "mio",
    "nix",
    "parking_lot",
    "polling",
    "rand",
    "rand_core",
    "rayon",
    "reqwest",
    "rustix",
    "signal-hook",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "uuid",
    "windows-sys",
];

/// Only this file, which has the word in its texts.
const UNSAFE_ALLOWED: [&str; 1] = [THIS];
const LINES_MAX: usize = 600;
