//! The C interface, from C and C++.
//!
//! Needs a C compiler, as building the crate does. Further compilers, valgrind and doxygen are used where they are;
//! what is missing is said loudly, and is a failure when `NODELOCK_REQUIRE_CAPI=1` is set.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

const WARNINGS: [&str; 6] = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Wconversion", "-Werror"];
/// Every program that is linked to the library and run.
const PROGRAMS: [&str; 6] = ["versions", "life_cycle", "callbacks", "testing", "threads", "fork"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Whether a tool is missing, which is said loudly.
fn missing(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert_ne!(env::var("NODELOCK_REQUIRE_CAPI").as_deref(), Ok("1"), "{tool} is missing");
        eprintln!("SKIPPED: {tool} is missing");
    }
    !found
}

fn available(tools: &[&'static str]) -> Vec<&'static str> {
    tools.iter().copied().filter(|tool| !missing(tool)).collect()
}

/// The shared library. Cargo builds it for this test, as its dependency, and puts it beside it.
fn library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libnodelock_c.so")
}

pub fn succeeded(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}:\n{}", said(&output));
    said(&output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder with programs in it.
pub struct Programs {
    folder: TempDir,
}

impl Programs {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Compiles sources of `tests/capi` and links them to the library.
    pub fn build(&self, compiler: &str, options: &[&str], sources: &[&str]) -> PathBuf {
        let program = self.path(sources[0].split('.').next().unwrap());
        let folder = library().parent().unwrap().to_owned();
        let mut command = Command::new(compiler);
        command.args(WARNINGS).args(options).arg("-I").arg(root().join("include"));
        command.arg("-I").arg(root().join("tests/capi")).arg("-D_GNU_SOURCE").arg("-o").arg(&program);
        command.args(sources.iter().map(|source| match self.path(source) {
            generated if generated.exists() => generated,
            _ => root().join("tests/capi").join(source),
        }));
        command.arg("-L").arg(&folder).arg("-lnodelock_c").arg(format!("-Wl,-rpath,{}", folder.display()));
        succeeded(command.args(["-pthread", "-ldl"]));
        program
    }

    /// Runs a program with a folder for what it writes.
    fn run(&self, program: &Path, through: &[&str]) -> String {
        let folder = tempfile::tempdir_in(&self.folder).unwrap();
        let mut command = match through {
            [] => Command::new(program),
            [tool, options @ ..] => {
                let mut command = Command::new(tool);
                command.args(options).arg(program);
                command
            }
        };
        succeeded(command.arg(folder.path()))
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Writes the program that calls every function wrongly.
fn write_sweep(programs: &Programs) {
    let functions = crate::header::functions(&read("include/nodelock.h"));
    assert!(functions.len() > 150, "the header was read: {}", functions.len());
    fs::write(programs.path("sweep.c"), crate::header::sweep(&functions)).unwrap();
}

#[test]
fn the_header_stands_alone_and_twice_in_every_dialect() {
    let programs = Programs::new();
    for compiler in available(&["cc", "gcc", "clang"]) {
        for dialect in ["-std=c11", "-std=c17", "-std=c2x"] {
            for section in ["-UNODELOCK_AUTHORITY", "-DNODELOCK_AUTHORITY", "-DNODELOCK_TESTING"] {
                programs.run(&programs.build(compiler, &[dialect, section], &["unit_a.c", "unit_b.c"]), &[]);
            }
        }
    }
    for compiler in available(&["g++", "clang++"]) {
        for dialect in ["-std=c++17", "-std=c++20"] {
            for (header, section) in [
                ("nodelock.h", "-UNODELOCK_AUTHORITY"),
                ("nodelock.h", "-DNODELOCK_AUTHORITY"),
                ("nodelock.h", "-DNODELOCK_TESTING"),
                ("nodelock.hpp", "-UNODELOCK_AUTHORITY"),
                ("nodelock.hpp", "-DNODELOCK_TESTING"),
            ] {
                let mut command = Command::new(compiler);
                command.args(WARNINGS).args([dialect, section, "-fsyntax-only", "-x", "c++", "-include"]);
                command.arg(root().join("include").join(header)).arg("-include");
                // Twice, in one unit.
                succeeded(command.arg(root().join("include").join(header)).arg("/dev/null"));
            }
        }
    }
}

#[test]
fn programs_in_c_do_what_they_check() {
    let programs = Programs::new();
    for name in PROGRAMS {
        programs.run(&programs.build("cc", &["-std=c11"], &[&format!("{name}.c")]), &[]);
    }
}

#[test]
fn the_guide_to_testing_does_what_it_checks() {
    let programs = Programs::new();
    let guide = read("docs/guides/testing.md");
    let blocks: Vec<_> =
        guide.split("```c\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 1, "one program");
    fs::write(programs.path("guide.c"), blocks[0]).unwrap();
    programs.run(&programs.build("cc", &["-std=c11"], &["guide.c"]), &[]);
}

#[test]
fn the_library_is_loaded_and_unloaded() {
    let programs = Programs::new();
    let program = programs.build("cc", &["-std=gnu11", "-Wno-pedantic"], &["unload.c"]);
    succeeded(Command::new(program).arg(library()));
}

#[test]
fn every_function_takes_null_and_what_is_no_text() {
    let programs = Programs::new();
    write_sweep(&programs);
    let said = programs.run(&programs.build("cc", &["-std=c11"], &["sweep.c"]), &[]);
    let calls: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert!(calls > 500, "{calls}");
}

#[test]
fn the_wrapper_for_cpp_does_what_it_checks() {
    assert!(read("include/nodelock.hpp").lines().count() < 340);
    let programs = Programs::new();
    for compiler in available(&["g++", "clang++"]) {
        for dialect in ["-std=c++17", "-std=c++20"] {
            programs.run(&programs.build(compiler, &[dialect], &["wrapper.cpp"]), &[]);
        }
    }
}

#[test]
fn sanitizers_find_what_was_planted_and_nothing_else() {
    let programs = Programs::new();
    let options = ["-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let empty = programs.path("empty.c");
    fs::write(&empty, "int main(void) { return 0; }\n").unwrap();
    let Some(compiler) = available(&["gcc", "clang"]).into_iter().find(|compiler| {
        let mut command = Command::new(compiler);
        command.args(options).arg(&empty).arg("-o").arg(programs.path("empty"));
        command.output().is_ok_and(|output| output.status.success())
    }) else {
        assert_ne!(env::var("NODELOCK_REQUIRE_CAPI").as_deref(), Ok("1"), "no compiler with sanitizers");
        return eprintln!("SKIPPED: no compiler here has the sanitizers");
    };
    let planted = programs.build(compiler, &options, &["planted.c"]);
    for (mistake, report) in [
        ("address", "heap-use-after-free"),
        ("leak", "LeakSanitizer"),
        ("undefined", "signed integer overflow"),
    ] {
        let output = Command::new(&planted).arg(mistake).output().unwrap();
        assert!(!output.status.success() && said(&output).contains(report), "{mistake}: {}", said(&output));
    }
    write_sweep(&programs);
    for source in PROGRAMS.iter().copied().chain(["sweep"]) {
        programs.run(&programs.build(compiler, &options, &[&format!("{source}.c")]), &[]);
    }
}

#[test]
fn valgrind_finds_no_error_and_no_leak() {
    if missing("valgrind") {
        return;
    }
    let programs = Programs::new();
    write_sweep(&programs);
    let valgrind = [
        "valgrind",
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=all",
        "--errors-for-leak-kinds=all",
    ];
    for source in ["life_cycle", "callbacks", "sweep"] {
        programs.run(&programs.build("cc", &["-std=c11", "-g"], &[&format!("{source}.c")]), &valgrind);
    }
    let planted = programs.build("cc", &["-std=c11", "-g"], &["planted.c"]);
    let output = Command::new(valgrind[0]).args(&valgrind[1..]).arg(planted).arg("leak").output().unwrap();
    assert_eq!(output.status.code(), Some(99), "{}", said(&output));
}

#[test]
fn only_what_the_header_declares_is_exported() {
    let listed = read("tests/capi/symbols.txt");
    let listed: BTreeSet<&str> =
        listed.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    let functions = crate::header::functions(&read("include/nodelock.h"));
    let declared: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(declared, listed, "the header against tests/capi/symbols.txt");
    if missing("nm") {
        return;
    }
    let symbols =
        succeeded(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library()));
    let exported: BTreeSet<&str> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(exported, listed, "the library against tests/capi/symbols.txt");
}

/// A call with more of them is read wrongly. What belongs together goes into an object, as into `nodelock_details`.
#[test]
fn no_function_has_more_than_six_parameters() {
    let over = |header: &str| -> Vec<String> {
        let functions = crate::header::functions(header).into_iter();
        functions.filter(|function| function.takes() > 6).map(|function| function.name).collect()
    };
    let planted = "NODELOCK_API int nodelock_x(int a, int b, int c, int d, int e, int f, int g);";
    assert_eq!(over(planted), ["nodelock_x"]);
    assert_eq!(over(&read("include/nodelock.h")), [""; 0]);
}

#[test]
fn doxygen_accepts_the_header() {
    if missing("doxygen") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("doxygen")
        .arg("tests/capi/Doxyfile")
        .current_dir(root())
        .env("OUTPUT", folder.path())
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(folder.path().join("html/nodelock_8h.html").exists());
}
