//! The programs of the guides (docs/guides) in C, C++, Python and JavaScript, to the letter, against the authority.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    applications::node,
    support::{
        hosts::{
            Computer, DONE, FAILED, Host, NOWHERE, PRODUCT, Ran, UNUSABLE, USAGE, compile, folder, library,
            skipped,
        },
        server::Authority,
    },
};

/// The program of a guide, in a file.
fn program(guide: &str, language: &str, file: &Path) {
    let text = fs::read_to_string(folder("docs/guides").join(guide)).unwrap();
    let opens = format!("```{language}\n");
    let mut blocks = text.split(&opens).skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```\n").next());
    assert!(blocks.next().is_none(), "{guide} has one program");
    fs::write(file, block.unwrap_or_else(|| panic!("{guide} has no program"))).unwrap();
}

/// What each of them does, in a home of its own.
fn is_an_application(host: &Host) {
    let authority = Authority::of(PRODUCT, &[]);
    let key = authority.sell("1", &[]);
    let computer = Computer::new(host, &authority);
    let run = |exit: i32, arguments: &[&str]| {
        let mut command = computer.command(&computer.url, arguments);
        for name in ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env(name, computer.folder.path());
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said} {errors}");
        said
    };
    run(USAGE, &["fly"]);
    assert_eq!(run(UNUSABLE, &[]).trim(), "license: no license");
    run(FAILED, &["activate", "nonsense"]);
    assert_eq!(run(DONE, &["activate", &key]).trim(), "licensed to Jane Doe");
    assert_eq!(run(DONE, &[]).trim(), "license: active");
    let said = run(DONE, &["give-back"]);
    let code = said.trim().strip_prefix("code: ").unwrap();
    assert_eq!(authority.taken().len(), 1, "the authority has not heard of it");
    authority.vendor(&["redeem", code]);
    assert!(authority.taken().is_empty());
    run(FAILED, &["give-back"]);
}

/// It is started on each of 400 days, one in four without a network, and nothing else is done about its license.
fn is_usable_on_each_of_400_days(host: &Host) {
    const DAY: u64 = 24 * 60 * 60;
    let begin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let Some(authority) = Authority::over_time_of(PRODUCT, begin) else { return };
    let key = authority.sell("1", &[]);
    let computer = Computer::new(host, &authority);
    let run = |url: &str, arguments: &[&str]| {
        let mut command = computer.command(url, arguments);
        for name in ["HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env(name, computer.folder.path());
        }
        authority.clock().given_to(&mut command);
        Ran::from(command.output().unwrap())
    };
    assert_eq!(run(&computer.url, &["activate", &key]).exit, DONE);
    let mut put_off = Vec::new();
    for day in 0..400 {
        authority.clock().set(begin + day * DAY);
        let ran = run(if day % 4 == 1 { NOWHERE } else { &computer.url }, &[]);
        assert_eq!((ran.exit, ran.says("license: ")), (DONE, "active"), "day {day}: {}", ran.stderr);
        if !ran.stderr.is_empty() {
            put_off.push(day);
        }
    }
    // On these a renewal was due, 45 days after the one before. The next start caught up on it.
    assert_eq!(put_off, [45, 181, 317]);
    let renewed = authority.actions().iter().filter(|(_, action)| action == "checked-in").count();
    assert!((400 / 90..=400 / 45).contains(&renewed), "{renewed} renewals");
}

/// The program of the guide to C, in a folder.
fn of_the_guide_to_c(folder: &Path) -> Host {
    let (source, binary) = (folder.join("main.c"), folder.join("editor"));
    program("c.md", "c", &source);
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    compile(&compiler, &["-std=c11"], source.to_str().unwrap(), &binary);
    Host { line: vec![binary.into()] }
}

/// The program of the guide to C++, in a folder; none without a compiler.
fn of_the_guide_to_cpp(folder: &Path) -> Option<Host> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if skipped(&[&compiler]) {
        return None;
    }
    let (source, binary) = (folder.join("main.cpp"), folder.join("editor"));
    program("cpp.md", "cpp", &source);
    compile(&compiler, &["-std=c++17"], source.to_str().unwrap(), &binary);
    Some(Host { line: vec![binary.into()] })
}

#[test]
fn the_guide_to_c_is_an_application() {
    let folder = tempfile::tempdir().unwrap();
    is_an_application(&of_the_guide_to_c(folder.path()));
}

#[test]
fn the_guide_to_cpp_is_an_application() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(host) = of_the_guide_to_cpp(folder.path()) {
        is_an_application(&host);
    }
}

#[test]
fn the_application_of_the_guide_to_c_is_usable_on_each_of_400_days() {
    let folder = tempfile::tempdir().unwrap();
    is_usable_on_each_of_400_days(&of_the_guide_to_c(folder.path()));
}

#[test]
fn the_application_of_the_guide_to_cpp_is_usable_on_each_of_400_days() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(host) = of_the_guide_to_cpp(folder.path()) {
        is_usable_on_each_of_400_days(&host);
    }
}

#[test]
fn the_guide_to_python_is_an_application() {
    if skipped(&["python3"]) {
        return;
    }
    let target = tempfile::tempdir().unwrap();
    let main = target.path().join("main.py");
    program("python.md", "python", &main);
    fs::copy(folder("examples/python/nodelock.py"), target.path().join("nodelock.py")).unwrap();
    is_an_application(&Host { line: vec!["python3".into(), "-B".into(), "-Werror".into(), main.into()] });
}

#[test]
fn the_guide_to_testing_in_python_passes() {
    if skipped(&["python3"]) {
        return;
    }
    let target = tempfile::tempdir().unwrap();
    program("testing.md", "python", &target.path().join("main.py"));
    for name in ["nodelock.py", "nodelock_testing.py"] {
        fs::copy(folder("examples/python").join(name), target.path().join(name)).unwrap();
    }
    let mut command = Command::new("python3");
    command.args(["-B", "-Werror", "main.py"]).current_dir(target.path()).env("NODELOCK_LIBRARY", library());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("Ran 18 tests"), "{said}");
}

#[test]
fn the_guide_to_testing_in_node_passes() {
    let Some(target) = node() else { return };
    let main = target.join("testing.js");
    program("testing.md", "js", &main);
    let output = Command::new("node").arg(main).env("NODELOCK_LIBRARY", library()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("pass 6"), "{said}");
}

#[test]
fn the_guide_to_node_is_an_application() {
    let Some(target) = node() else { return };
    let main = target.join("guide.js");
    program("node.md", "js", &main);
    is_an_application(&Host { line: vec!["node".into(), main.into()] });
}
